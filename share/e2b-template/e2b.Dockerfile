# A template for taskmill's sandboxes: git, the agents, and what they need.
# "build" in this folder puts share/agents and fetch-npm.sh beside this file.
FROM e2bdev/base

USER root
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates curl git openssh-client procps ripgrep util-linux && \
    rm -rf /var/lib/apt/lists/*

# Each by its own script, in the version that its manifest pins, for all users.
COPY agents /opt/taskmill/agents
COPY fetch-npm.sh install-agents /opt/taskmill/
RUN TASKMILL_PREFIX=/usr/local /bin/sh /opt/taskmill/install-agents \
        /opt/taskmill/agents /opt/taskmill/fetch-npm.sh

# Commands of an agent run as this user, who needs no more rights than that.
RUN id user >/dev/null 2>&1 || useradd -m -s /bin/bash user
USER user
WORKDIR /home/user
