"""The adapter over LiveKit's Python SDK: frames come decoded. No other part imports that SDK."""
