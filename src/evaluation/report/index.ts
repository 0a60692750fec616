export { documentOf, type EvaluationDocument, parseEvaluation } from './document.js';
export { htmlReport, type ReportContent } from './html.js';
export { type GroupValues, nameOf, plotsOf, strictest } from './plots.js';
export { splitTable, type TextTable, tablesOf } from './tables.js';
