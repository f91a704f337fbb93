"""What tests ask of the stand-in itself, under /_test/. No authentication."""
import copy
import json
import re


class Admin:
    """answers: of the API, as they were given; for validation."""

    def __init__(self, model, faults, journal, requests, answers):
        self.model, self.faults, self.journal = model, faults, journal
        self.requests, self.answers = requests, answers

    def handle(self, method, path, body):
        """(status, what to say as JSON)"""
        values = json.loads(body) if body else {}
        lists = {"journal": self.journal, "requests": self.requests,
                 "answers": self.answers}
        name = path.removeprefix("/_test/")
        if method == "GET" and name in lists:
            return 200, copy.deepcopy(lists[name])
        if method == "DELETE" and name in lists:
            lists[name].clear()
            return 200, {}
        if name == "faults" and method == "DELETE":
            self.faults.clear()
            return 200, {}
        try:
            return self.change(method, name, values)
        except (ValueError, TypeError, KeyError, AttributeError) as e:
            return 400, {"message": f"{type(e).__name__}: {e}"}

    def change(self, method, name, values):
        if (method, name) == ("POST", "users"):
            self.model.user(**values)
        elif (method, name) == ("POST", "tokens"):
            self.model.add_token(values.pop("token"), **values)
        elif (method, name) == ("DELETE", "tokens"):
            self.model.tokens[values["token"]].revoked = True
        elif (method, name) == ("POST", "repos"):
            repo = self.model.add_repo(**values)
            return 200, {"id": repo.id, "path": repo.path}
        elif (method, name) == ("POST", "faults"):
            self.faults.add(**values)
        elif method == "PATCH":
            return self.patch(name, values)
        else:
            return 404, {"message": "no such thing to ask"}
        return 200, {}

    def patch(self, name, values):
        match = re.fullmatch(r"repos/([^/]+)/([^/]+)(?:/pulls/(\d+))?", name)
        if not match:
            return 404, {"message": "no such thing to change"}
        repo = self.model.find(match[1], match[2])
        if match[3] is None:
            self.model.change_repo(repo, values)
            return 200, {}
        pull = repo.pulls[int(match[3]) - 1]
        for field in ("closed_at", "merged_at", "title"):
            if field in values:
                setattr(pull, field, values[field])
        return 200, {}
