# What runs inside a sandbox: the agents' folders and our scripts.
agents_claudedir = $(pkgdatadir)/agents/claude
dist_agents_claude_DATA = share/agents/claude/agent.json share/agents/claude/events.json \
	share/agents/claude/install share/agents/claude/run
agents_codexdir = $(pkgdatadir)/agents/codex
dist_agents_codex_DATA = share/agents/codex/agent.json share/agents/codex/events.json \
	share/agents/codex/install share/agents/codex/run
agents_opencodedir = $(pkgdatadir)/agents/opencode
dist_agents_opencode_DATA = share/agents/opencode/agent.json share/agents/opencode/events.json \
	share/agents/opencode/install share/agents/opencode/run
agents_simulateddir = $(pkgdatadir)/agents/simulated
dist_agents_simulated_DATA = share/agents/simulated/agent.json \
	share/agents/simulated/run
sandboxdir = $(pkgdatadir)/sandbox
dist_sandbox_DATA = share/sandbox/apply.sh share/sandbox/askpass \
	share/sandbox/clone.sh share/sandbox/collect.sh share/sandbox/e2b-run \
	share/sandbox/fetch.sh share/sandbox/fetch-npm.sh share/sandbox/push.sh \
	share/sandbox/remote.sh share/sandbox/repatch.sh
EXTRA_DIST += tests/agents
dist_sandbox_DATA += share/sandbox/blobs.sh
e2btemplatedir = $(pkgdatadir)/e2b-template
dist_e2btemplate_DATA = share/e2b-template/e2b.Dockerfile share/e2b-template/README.md
dist_e2btemplate_SCRIPTS = share/e2b-template/build share/e2b-template/install-agents
