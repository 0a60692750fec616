"""Compares two embeddings (files of float32 values) over JSON: compare.py a.f32 b.f32 3.2. Standard library only."""
import base64
import json
import os
import sys
import urllib.error
import urllib.request

if len(sys.argv) != 4:
    sys.exit(f"usage: {sys.argv[0]} a.f32 b.f32 threshold; FOILBANK_URL and FOILBANK_KEY name the server and the key")
first, second, threshold = sys.argv[1:]
packed = [{"packed": base64.b64encode(open(file, "rb").read()).decode()} for file in (first, second)]
request = urllib.request.Request(
    os.environ.get("FOILBANK_URL", "http://127.0.0.1:8080") + "/foilbank.v1.SupportService/AlignScores",
    json.dumps({"pairs": {"pairs": [{"a": packed[0], "b": packed[1]}]}, "threshold": float(threshold)}).encode(),
    {"content-type": "application/json", "authorization": "Bearer " + os.environ.get("FOILBANK_KEY", "none")},
)
try:
    reply = json.load(urllib.request.urlopen(request))
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
score = reply["scores"][0]
print(score["raw"], score["aligned"], score["decision"], score.get("reason", ""), "by bank version", reply["source"]["version"])
