"""The model server as a child of a test."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


class ModelServer:
    def __init__(self, folder, *options):
        self.folder = str(folder)
        self.options = options

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        ready = os.path.join(self.folder, "model-ready")
        self.process = subprocess.Popen([os.path.join(HERE, "run"), "--ready-file", ready, *self.options],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise RuntimeError("the model server did not start")
            time.sleep(0.02)
        with open(ready, encoding="utf-8") as text:
            self.port = json.load(text)["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method, path, value=None, headers=None, timeout=30):
        """(status, headers, body); an HTTP error is an answer like any other."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.url + path, data, {
            "Content-Type": "application/json", **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as err:
            with err:
                return err.code, err.headers, err.read()

    def admin(self, name, value=None):
        status, _, body = self.call("POST", f"/_test/{name}", {} if value is None else value)
        assert status == 200, body

    def journal(self):
        return json.loads(self.call("GET", "/_test/journal")[2])
