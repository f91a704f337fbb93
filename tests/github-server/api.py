"""The endpoints of GitHub's REST API that the stand-in has."""
import json
import re
import urllib.parse

import model as models
import shapes

DOCS = "https://docs.github.com/rest"
VERSIONS = ("2022-11-28",)
REPO = r"/(?:repos/(?P<owner>[^/]+)/(?P<name>[^/]+)|repositories/(?P<id>\d+))"
HEAD_MAX, TITLE_MAX = 255, 256


class Answer(Exception):
    """Raised as well as returned: most refusals end a request at once."""

    def __init__(self, status, body, headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, list(headers)
        self.route = None
        self.effect = False


def error(status, message, *headers, **more):
    return Answer(status, {"message": message, **more,
                           "documentation_url": DOCS, "status": str(status)},
                  headers)


def invalid(**problem):
    return error(422, "Validation Failed",
                 errors=[{"resource": "PullRequest", **problem}])


def no_permission(accepted):
    return error(403, "Resource not accessible by personal access token",
                 ("X-Accepted-GitHub-Permissions", accepted))


class Request:
    def __init__(self, method, path, query, headers, body):
        self.method, self.path, self.headers = method, path, headers
        self.query = dict(urllib.parse.parse_qsl(query))
        self.body = body
        self.token = None

    def number(self, name, default, most):
        text = self.query.get(name, "")
        value = int(text) if text.isascii() and text.isdigit() else default
        return max(1, min(value, most))


class Api:
    def __init__(self, model, web, api, journal):
        self.model, self.journal = model, journal
        self.shapes = shapes.Shapes(model, web, api)
        self.web, self.api = web, api
        self.routes = [
            ("GET", "/user", "/user", self.get_user),
            ("GET", REPO, "/repos/{owner}/{repo}", self.get_repo),
            ("GET", REPO + r"/git/ref/heads(?:/|%2F)(?P<branch>.+)",
             "/repos/{owner}/{repo}/git/ref/{ref}", self.get_ref),
            ("GET", REPO + "/pulls", "/repos/{owner}/{repo}/pulls",
             self.list_pulls),
            ("POST", REPO + "/pulls", "/repos/{owner}/{repo}/pulls",
             self.create_pull),
            ("GET", REPO + r"/pulls/(?P<number>\d+)",
             "/repos/{owner}/{repo}/pulls/{pull_number}", self.get_pull)]

    def handle(self, request, token_text):
        """The answer to a request, with the name of its route."""
        route = None
        try:
            self.check_headers(request)
            request.token = self.token(token_text)
            for method, pattern, name, function in self.routes:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    route = name
                    words = {k: urllib.parse.unquote(v)
                             for k, v in match.groupdict().items() if v}
                    raise function(request, **words)
            raise error(404, "Not Found")
        except Answer as answer:
            answer.route = route
            self.add_headers(request, answer)
            return answer

    def check_headers(self, request):
        if not request.headers.get("User-Agent"):
            raise error(403, "Request forbidden by administrative rules. "
                        "Please make sure your request has a User-Agent "
                        "header.")
        version = request.headers.get("X-GitHub-Api-Version")
        if version is not None and version not in VERSIONS:
            raise error(400, f"API version {version} is not supported")

    def token(self, text):
        if text is None:
            return None
        token = self.model.tokens.get(text)
        if token is None or token.revoked:
            raise error(401, "Bad credentials")
        return token

    @staticmethod
    def add_headers(request, answer):
        token = request.token
        if token is not None and token.scopes is not None:
            answer.headers += [("X-OAuth-Scopes", ", ".join(token.scopes)),
                               ("X-Accepted-OAuth-Scopes", "")]
        answer.headers += [
            ("X-GitHub-Media-Type", "github.v3; format=json"),
            ("X-RateLimit-Limit", "5000"), ("X-RateLimit-Remaining", "4999"),
            ("X-RateLimit-Reset", "4102444800"),
            ("X-RateLimit-Resource", "core")]

    def get_user(self, request):
        if request.token is None:
            return error(401, "Requires authentication")
        return Answer(200, self.shapes.viewer(request.token.login))

    def find(self, request, words):
        """The repository that a request names, if it may know of it."""
        if "id" in words:
            repo = self.model.repos.get(int(words["id"]))
        else:
            repo = self.model.find(words["owner"], words["name"])
        if repo is None or not self.model.sees(request.token, repo):
            raise error(404, "Not Found")
        if "id" not in words and \
                self.model.named(words["owner"], words["name"]) is None:
            raise self.moved(request, repo)
        if repo.blocked:
            raise error(403, "Repository access blocked",
                        block={"reason": "tos", "created_at": repo.created_at})
        if repo.private and self.model.needs_sso(request.token, repo):
            raise error(
                403, "Resource protected by organization SAML enforcement. "
                "You must grant your Personal Access token access to this "
                "organization.",
                ("X-GitHub-SSO", f"required; url={self.web}/orgs/"
                 f"{repo.owner}/sso?authorization_request=x"))
        return repo

    def moved(self, request, repo):
        rest = re.sub(r"^/repos/[^/]+/[^/]+", "", request.path)
        url = f"{self.api}/repositories/{repo.id}{rest}"
        get = request.method == "GET"
        return error(301 if get else 307,
                     "Moved Permanently" if get else "Temporary Redirect",
                     ("Location", url), url=url)

    def need(self, request, repo, permission, level):
        """A fine-grained token needs it for what is not public."""
        token = request.token
        if token is None or (level == "read" and not repo.private):
            return
        if not token.may(permission, level):
            raise no_permission(f"{permission}={level}")

    def get_repo(self, request, **words):
        repo = self.find(request, words)
        return Answer(200, self.shapes.repo(repo, request.token))

    def get_ref(self, request, branch, **words):
        repo = self.find(request, words)
        self.need(request, repo, "contents", "read")
        if repo.is_empty():
            return error(409, "Git Repository is empty.")
        sha = repo.sha(branch)
        if sha is None:
            return error(404, "Not Found")
        return Answer(200, self.shapes.ref(repo, branch, sha))

    @staticmethod
    def refresh(repo, pull):
        """An open pull request follows its branch."""
        if pull.closed_at is None:
            pull.head_sha = repo.sha(pull.head) or pull.head_sha

    def list_pulls(self, request, **words):
        repo = self.find(request, words)
        self.need(request, repo, "pull_requests", "read")
        state = request.query.get("state", "open")
        head, base = request.query.get("head", ""), request.query.get("base")
        owner, colon, branch = head.partition(":")
        found = []
        for pull in reversed(repo.pulls):
            self.refresh(repo, pull)
            # What is no "owner:branch" filters nothing, as with GitHub.
            if colon and (owner.lower() != repo.owner.lower() or
                          branch != pull.head):
                continue
            if state in ("all", pull.state) and base in (None, pull.base):
                found.append(self.shapes.pull_of_list(repo, pull))
        return self.page(request, found)

    def page(self, request, found):
        size = request.number("per_page", 30, 100)
        page = request.number("page", 1, 10 ** 6)
        headers = []
        if len(found) > page * size:
            query = urllib.parse.urlencode(
                {**request.query, "page": page + 1})
            headers.append(("Link", f"<{self.api}{request.path}?{query}>; "
                            'rel="next"'))
        return Answer(200, found[(page - 1) * size:page * size], headers)

    def get_pull(self, request, number, **words):
        repo = self.find(request, words)
        self.need(request, repo, "pull_requests", "read")
        for pull in repo.pulls:
            if pull.number == int(number):
                self.refresh(repo, pull)
                return Answer(200, self.shapes.pull(repo, pull))
        return error(404, "Not Found")

    @staticmethod
    def read_wish(request):
        try:
            wish = json.loads(request.body)
        except ValueError:
            raise error(400, "Problems parsing JSON") from None
        if not isinstance(wish, dict):
            raise error(400, "Body should be a JSON object")
        for name in ("head", "base"):
            if not isinstance(wish.get(name), str):
                raise error(422, f'Invalid request.\n\n"{name}" wasn\'t '
                            "supplied.")
        if not wish.get("title"):
            raise invalid(code="missing_field", field="title")
        if len(wish["title"]) > TITLE_MAX:
            raise invalid(code="custom", field="title", message="title is "
                          f"too long (maximum is {TITLE_MAX} characters)")
        return wish

    def check_writer(self, request, repo):
        token = request.token
        if token is None or not token.has_scope(repo.private):
            raise error(404 if token else 401,
                        "Not Found" if token else "Requires authentication")
        if not token.may("pull_requests", "write") or (
                token.repositories is not None and
                repo.id not in token.repositories):
            raise no_permission("pull_requests=write")
        if self.model.role(token.login, repo) not in ("write", "admin"):
            raise error(403, "Must have push access to repository")
        if repo.archived:
            raise error(403, "Repository was archived so is read-only.")

    def create_pull(self, request, **words):
        repo = self.find(request, words)
        self.check_writer(request, repo)
        wish = self.read_wish(request)
        head = wish["head"].removeprefix(f"{repo.owner}:")
        shas = {"head": repo.sha(head), "base": repo.sha(wish["base"])}
        for field, sha in shas.items():
            if sha is None:
                return invalid(field=field, code="invalid")
        if repo.count(f"{shas['base']}..{shas['head']}") == 0:
            return invalid(code="custom", message="No commits between "
                           f"{wish['base']} and {head}")
        if self.open_pull(repo, head, wish["base"]) is not None:
            return invalid(code="custom", message="A pull request already "
                           f"exists for {repo.owner}:{head}.")
        pull = self.add_pull(repo, request.token.login, wish, head, shas)
        shape = self.shapes.pull(repo, pull)
        answer = Answer(201, shape, [("Location", shape["url"])])
        answer.effect = True
        return answer

    @staticmethod
    def open_pull(repo, head, base):
        for pull in repo.pulls:
            if (pull.head, pull.base, pull.state) == (head, base, "open"):
                return pull
        return None

    def add_pull(self, repo, login, wish, head, shas):
        pull = models.Pull(
            id=self.model.new_id(), number=len(repo.pulls) + 1, author=login,
            title=wish["title"], body=wish.get("body"), head=head,
            base=wish["base"], head_sha=shas["head"], base_sha=shas["base"],
            draft=bool(wish.get("draft")),
            maintainer_can_modify=wish.get("maintainer_can_modify", True))
        repo.pulls.append(pull)
        self.journal.append({
            "what": "pull", "repo": repo.full_name, "by": login,
            "number": pull.number, "head": head, "base": pull.base,
            "sha": pull.head_sha, "title": pull.title, "body": pull.body})
        return pull
