"""Found by `python3 -m unittest discover -s training/tests`, with or without `-t training`."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
