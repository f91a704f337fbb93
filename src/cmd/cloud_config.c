#include "cmd/cloud_config.h"

int
cloud_config(struct sandbox_e2b *set, const struct config *c,
    char deployment[CONFIG_DEPLOYMENT], struct err *e)
{
	if (c->e2b_api_key[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "configuration: E2B_API_KEY is not set, so there are no "
		    "cloud sandboxes");
	config_deployment(c, deployment);
	*set = (struct sandbox_e2b){
		.api_key = c->e2b_api_key,
		.template_id = c->e2b_template_id,
		.domain = c->e2b_domain,
		.api_url = c->e2b_api_url,
		.sandbox_url = c->e2b_sandbox_url,
		.ca_file = c->e2b_ca_file,
		.allow_http = c->e2b_allow_http,
		.deployment = deployment,
		.create_limit_s = (unsigned int)c->e2b_create_s,
		.busy_wait_s = (unsigned int)c->e2b_busy_wait_s,
		.silence_s = (unsigned int)c->e2b_silence_s,
	};
	return 0;
}
