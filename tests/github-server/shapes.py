"""What GitHub's answers look like: its objects, with every member required."""
import base64

USER_LINKS = (
    "followers", "following{/other_user}", "gists{/gist_id}",
    "starred{/owner}{/repo}", "subscriptions", "orgs", "repos",
    "events{/privacy}", "received_events")

REPO_LINKS = (
    "forks", "keys{/key_id}", "collaborators{/collaborator}", "teams",
    "hooks", "issues/events{/number}", "events", "assignees{/user}",
    "branches{/branch}", "tags", "git/blobs{/sha}", "git/tags{/sha}",
    "git/refs{/sha}", "git/trees{/sha}", "statuses/{sha}", "languages",
    "stargazers", "contributors", "subscribers", "subscription",
    "commits{/sha}", "git/commits{/sha}", "comments{/number}",
    "issues/comments{/number}", "contents/{+path}",
    "compare/{base}...{head}", "merges", "{archive_format}{/ref}",
    "downloads", "issues{/number}", "pulls{/number}", "milestones{/number}",
    "notifications{?since,all,participating}", "labels{/name}",
    "releases{/id}", "deployments")

# Where the member is not called like the link.
OTHER_NAMES = {
    "orgs": "organizations", "issues/events": "issue_events",
    "git/blobs": "blobs", "git/tags": "git_tags", "git/refs": "git_refs",
    "git/trees": "trees", "git/commits": "git_commits",
    "issues/comments": "issue_comment", "": "archive"}


def link_name(link):
    plain = link.split("{")[0].rstrip("/")
    return OTHER_NAMES.get(plain, plain) + "_url"


def node_id(kind, number):
    return base64.b64encode(f"0:{kind}{number}".encode()).decode()


class Shapes:
    """web: for browsers; api: of the API, without a slash at its end."""

    def __init__(self, model, web, api):
        self.model, self.web, self.api = model, web, api

    def user(self, login):
        user = self.model.users[login.lower()]
        url = f"{self.api}/users/{user.login}"
        shape = {
            "login": user.login, "id": user.id,
            "node_id": node_id("User", user.id),
            "avatar_url": f"{self.web}/avatars/u/{user.id}",
            "gravatar_id": "", "url": url,
            "html_url": f"{self.web}/{user.login}",
            "type": "Organization" if user.organization else "User",
            "user_view_type": "public", "site_admin": False}
        for link in USER_LINKS:
            shape[link_name(link)] = f"{url}/{link}".replace("/{/", "{/")
        return shape

    def viewer(self, login):
        private = sum(r.private for r in self.model.repos.values()
                      if r.owner.lower() == login.lower())
        return {
            **self.user(login), "name": None, "company": None, "blog": "",
            "location": None, "email": None, "hireable": None, "bio": None,
            "twitter_username": None, "notification_email": None,
            "public_repos": 0, "public_gists": 0, "followers": 0,
            "following": 0, "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
            "user_view_type": "private", "private_gists": 0,
            "total_private_repos": private, "owned_private_repos": private,
            "disk_usage": 0, "collaborators": 0,
            "two_factor_authentication": True,
            "plan": {"name": "free", "space": 976562499, "collaborators": 0,
                     "private_repos": 10000}}

    def minimal_repo(self, repo):
        url = f"{self.api}/repos/{repo.full_name}"
        html = f"{self.web}/{repo.full_name}"
        shape = {
            "id": repo.id, "node_id": node_id("Repository", repo.id),
            "name": repo.name, "full_name": repo.full_name,
            "private": repo.private, "owner": self.user(repo.owner),
            "html_url": html, "description": None, "fork": False, "url": url,
            "created_at": repo.created_at, "updated_at": repo.created_at,
            "pushed_at": repo.created_at,
            "git_url": html.replace("http", "git", 1) + ".git",
            "ssh_url": f"git@localhost:{repo.full_name}.git",
            "clone_url": f"{html}.git", "svn_url": html, "homepage": None,
            "size": 0, "stargazers_count": 0, "watchers_count": 0,
            "language": None, "has_issues": True, "has_projects": True,
            "has_downloads": True, "has_wiki": True, "has_pages": False,
            "has_discussions": False, "forks_count": 0, "mirror_url": None,
            "archived": repo.archived, "disabled": repo.disabled,
            "open_issues_count": 0, "license": None, "allow_forking": True,
            "is_template": False, "web_commit_signoff_required": False,
            "topics": [], "forks": 0, "open_issues": 0, "watchers": 0,
            "visibility": "private" if repo.private else "public",
            "default_branch": repo.default_branch}
        for link in REPO_LINKS:
            shape[link_name(link)] = f"{url}/{link}".replace("/{/", "{/")
        return shape

    def repo(self, repo, token):
        role = self.model.role(token.login if token else None, repo)
        push = self.model.writes(token, repo)
        if token is not None and token.permissions is None:
            # Of the user, whatever the scopes of a classic token are.
            push = role in ("write", "admin")
        shape = {
            **self.minimal_repo(repo), "network_count": 0,
            "subscribers_count": 0}
        if token is not None:
            shape["permissions"] = {
                "admin": role == "admin", "maintain": role == "admin",
                "push": push, "triage": push, "pull": True}
        return shape

    def ref(self, repo, branch, sha):
        url = f"{self.api}/repos/{repo.full_name}/git"
        return {
            "ref": f"refs/heads/{branch}",
            "node_id": node_id("Ref", f"{repo.id}:{branch}"),
            "url": f"{url}/refs/heads/{branch}",
            "object": {"sha": sha, "type": "commit",
                       "url": f"{url}/commits/{sha}"}}

    def side(self, repo, branch, sha):
        return {"label": f"{repo.owner}:{branch}", "ref": branch, "sha": sha,
                "user": self.user(repo.owner),
                "repo": self.minimal_repo(repo)}

    def pull_of_list(self, repo, pull):
        url = f"{self.api}/repos/{repo.full_name}"
        one = f"{url}/pulls/{pull.number}"
        html = f"{self.web}/{repo.full_name}/pull/{pull.number}"
        links = {
            "html": html, "issue": f"{url}/issues/{pull.number}",
            "comments": f"{url}/issues/{pull.number}/comments",
            "review_comments": f"{one}/comments",
            "review_comment": f"{url}/pulls/comments{{/number}}",
            "commits": f"{one}/commits",
            "statuses": f"{url}/statuses/{pull.head_sha}"}
        shape = {f"{name}_url": link for name, link in links.items()}
        shape["_links"] = {"self": {"href": one}, **{
            name: {"href": link} for name, link in links.items()}}
        shape.update({
            "url": one, "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "diff_url": f"{html}.diff", "patch_url": f"{html}.patch",
            "number": pull.number, "state": pull.state, "locked": False,
            "title": pull.title, "user": self.user(pull.author),
            "body": pull.body, "created_at": pull.created_at,
            "updated_at": pull.closed_at or pull.created_at,
            "closed_at": pull.closed_at, "merged_at": pull.merged_at,
            "merge_commit_sha": pull.head_sha if pull.merged_at else None,
            "assignee": None, "assignees": [], "requested_reviewers": [],
            "requested_teams": [], "labels": [], "milestone": None,
            "draft": pull.draft,
            "head": self.side(repo, pull.head, pull.head_sha),
            "base": self.side(repo, pull.base, pull.base_sha),
            "author_association": "OWNER"
            if pull.author.lower() == repo.owner.lower() else "CONTRIBUTOR",
            "auto_merge": None, "active_lock_reason": None})
        return shape

    def pull(self, repo, pull):
        span = f"{pull.base_sha}...{pull.head_sha}"
        files = repo.git("diff", "--numstat", span)[1].splitlines()
        counts = [[0 if n == "-" else int(n) for n in f.split("\t")[:2]]
                  for f in files]
        return {
            **self.pull_of_list(repo, pull),
            "merged": pull.merged_at is not None, "mergeable": None,
            "rebaseable": None, "mergeable_state": "unknown",
            "merged_by": self.user(pull.author) if pull.merged_at else None,
            "comments": 0, "review_comments": 0,
            "maintainer_can_modify": pull.maintainer_can_modify,
            "commits": repo.count(f"{pull.base_sha}..{pull.head_sha}"),
            "additions": sum(c[0] for c in counts),
            "deletions": sum(c[1] for c in counts),
            "changed_files": len(files)}
