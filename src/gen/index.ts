/** The messages and services of proto/, generated (`make proto`). */
export * from './foilbank/v1/bank_pb.js';
export * from './foilbank/v1/face_pb.js';
export * from './foilbank/v1/gallery_pb.js';
export * from './foilbank/v1/options_pb.js';
export * from './foilbank/v1/support_pb.js';
export * as health from './grpc/health/v1/health_pb.js';
export * as reflection from './grpc/reflection/v1/reflection_pb.js';
export * as reflectionAlpha from './grpc/reflection/v1alpha/reflection_pb.js';
