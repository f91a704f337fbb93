"""What the model "says": steps, chosen by how far a conversation has come.

A script is {"steps": [step…], "prompt": "regex"}; a step {"text", "tool", "reasoning"}. With a tool the
agent is asked to run it and comes back with its result, which is the next step;
without one the turn is over. No state is kept: the step is counted from the
conversation that the agent sends, so a resumed session begins anew.
"""

import re

DEFAULT = {"steps": [
    {"text": "I will create a file.",
     "tool": {"command": "echo 'written by the model' > hello.txt"}},
    {"text": "I created hello.txt."}]}
FIELDS = {"text", "tool", "reasoning"}


class BadScript(ValueError):
    """It is no script; the text says why."""


def checked(script):
    steps = script.get("steps") if isinstance(script, dict) else None
    if not isinstance(steps, list) or not steps:
        raise BadScript("a script has steps")
    for step in steps:
        if not isinstance(step, dict) or set(step) - FIELDS or not set(step) & {"text", "tool"}:
            raise BadScript("a step has text, or a tool, or both")
        tool = step.get("tool")
        if tool is not None and "command" not in tool and not {"name", "input"} <= set(tool):
            raise BadScript("a tool is a command, or a name and an input")
    try:
        re.compile(script.get("prompt", ""))
    except re.error as err:
        raise BadScript(f"prompt: {err}") from err
    return script


def choose(scripts, prompt):
    """The first script whose "prompt" is found in the user's words."""
    for script in scripts:
        if re.search(script.get("prompt", ""), prompt):
            return script
    return DEFAULT


def step_of(script, number):
    """A conversation longer than the script repeats its last step without a tool."""
    if number < len(script["steps"]):
        return script["steps"][number]
    return {"text": script["steps"][-1].get("text", "Done.")}
