/* The models half of agents/agent.h. */
#include <string.h>

#include "agents/agent.h"

/* One "agent=model" of the setting; false behind the last. */
struct pair {
	const char *agent, *model;
	size_t agent_len, model_len;
};

static bool
next_pair(const char **at, struct pair *p)
{
	size_t len = strcspn(*at, ","), name = strcspn(*at, "=,");

	if (**at == '\0')
		return false;
	p->agent = *at;
	p->agent_len = name;
	p->model = *at + name + (name < len);
	p->model_len = name < len ? len - name - 1 : 0;
	*at += len + ((*at)[len] == ',');
	return true;
}

static bool
is_text(const char *s, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(s, text, len) == 0;
}

/* Copies at most size - 1 bytes. */
static void
copy(char *out, size_t size, const char *s, size_t len)
{
	len = len < size ? len : size - 1;
	memcpy(out, s, len);
	out[len] = '\0';
}

int
agent_models_check(const char *setting, struct err *e)
{
	char agent[AGENT_NAME_MAX + 2], model[AGENT_MODEL_MAX + 2];
	struct pair p;

	while (next_pair(&setting, &p)) {
		copy(agent, sizeof(agent), p.agent, p.agent_len);
		copy(model, sizeof(model), p.model, p.model_len);
		if (!agent_name_valid(agent))
			return err_set(e, ERR_INVALID,
			    "AGENT_MODELS: \"%s\" is no agent's name", agent);
		if (strcmp(model, "*") != 0 && !agent_model_valid(model))
			return err_set(e, ERR_INVALID,
			    "AGENT_MODELS: \"%s\" is no model of %s", model,
			    agent);
	}
	return 0;
}

bool
agent_models_allow(const char *setting, const char *agent, const char *model)
{
	bool listed = false;
	struct pair p;

	while (next_pair(&setting, &p)) {
		if (!is_text(p.agent, p.agent_len, agent))
			continue;
		listed = true;
		if (is_text(p.model, p.model_len, model) ||
		    is_text(p.model, p.model_len, "*"))
			return true;
	}
	return !listed;
}

bool
agent_models_default(const char *setting, const char *agent,
    char out[AGENT_MODEL_MAX + 1])
{
	struct pair p;

	while (next_pair(&setting, &p)) {
		if (!is_text(p.agent, p.agent_len, agent) ||
		    is_text(p.model, p.model_len, "*"))
			continue;
		copy(out, AGENT_MODEL_MAX + 1, p.model, p.model_len);
		return true;
	}
	return false;
}
