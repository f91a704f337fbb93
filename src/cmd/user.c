#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/password.h"
#include "cmd/admin.h"
#include "cmd/listing.h"
#include "cmd/options.h"
#include "store/account.h"
#include "store/poke.h"
#include "util/encode.h"
#include "util/json.h"

#define INVITATION_DAYS 7

static const char usage[] =
    "usage: taskmill user add --email ADDRESS [--name NAME] [--id UUID] [--generate]\n"
    "       taskmill user passwd [--generate] ADDRESS|ID\n"
    "       taskmill user disable ADDRESS|ID\n"
    "       taskmill user enable ADDRESS|ID\n"
    "       taskmill user confirm ADDRESS|ID\n"
    "       taskmill user delete ADDRESS|ID\n"
    "       taskmill user list [--json]\n"
    "       taskmill user invite EMAIL\n"
    "       taskmill user link|unlink --remote-user NAME|--subject SUB ADDRESS|ID\n\n"
    "options for all: --config FILE, --json (machine-readable answers)\n\n"
    "A password is asked for on the terminal, or read from the first line of\n"
    "standard input; --generate makes one and prints it. A new password and\n"
    "disabling revoke the user's refresh tokens and sessions. confirm says that\n"
    "the address of an account that made itself is his, so that import may give it\n"
    "what that address had. delete removes a user with all that is his. invite lets an\n"
    "address sign up within 7 days (SIGN_UP=invited); no mail is sent. link says\n"
    "whose the web server's REMOTE_USER, or the sub of IDP_ISSUER's tokens, is.\n";

struct user_args {
	const char *config;
	const char *email;
	const char *name;
	const char *id;
	const char *remote_user;
	const char *subject;
	const char *who; /* the operand */
	bool generate;
	bool json;
};

struct new_password {
	char text[PASSWORD_MAX_BYTES + 2];
	char hash[PASSWORD_HASH_TEXT];
};

static void
generate_password(struct new_password *p)
{
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[20];

	/* 32 letters: five bits a byte, without bias. */
	random_fill(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		p->text[i] = alphabet[random[i] % 32];
	p->text[sizeof(random)] = '\0';
	explicit_bzero(random, sizeof(random));
}

static int
new_password(struct new_password *p, const struct admin *a,
    const struct user_args *args, struct err *e)
{
	const struct password_cost cost = {
		.passes = (unsigned int)a->cfg.password_passes,
		.memory_bytes = (size_t)a->cfg.password_memory_mb << 20,
	};

	if (args->generate)
		generate_password(p);
	else if (secret_input(p->text, sizeof(p->text), "New password", e) ==
	    -1)
		return err_wrap(e, "password");
	return password_hash(p->hash, p->text, strlen(p->text), &cost, e);
}

static void
print_user(const struct user_args *args, const char *id, const char *email,
    const struct new_password *p)
{
	struct buf b = BUF(4096);
	struct json_out j;

	if (!args->json) {
		(void)printf("%s %s\n", id, email);
		if (args->generate && p != NULL)
			(void)printf("password: %s\n", p->text);
		return;
	}
	json_start(&j, &b);
	json_open(&j);
	json_name_text(&j, "id", id);
	json_name_text(&j, "email", email);
	if (args->generate && p != NULL)
		json_name_text(&j, "password", p->text);
	json_close(&j);
	if (buf_ok(&b))
		(void)puts(b.data);
	buf_wipe(&b);
}

static int
user_cmd_add(struct admin *a, const struct user_args *args, struct err *e)
{
	struct new_password p = { 0 };
	char id[UUID_TEXT];
	int rc = -1;

	if (args->email == NULL || strchr(args->email, '@') == NULL ||
	    strlen(args->email) > 320)
		return err_set(e, ERR_INVALID,
		    "--email needs an address with an @ in it");
	if (args->id == NULL)
		uuid_new(id);
	else if (!uuid_read(id, args->id))
		return err_set(e, ERR_INVALID, "--id %.60s is no UUID",
		    args->id);
	if (new_password(&p, a, args, e) == -1 ||
	    user_add(a->db, id, args->email, args->name, p.hash, e) == -1 ||
	    admin_audit(a, "user-add", id, args->email, e) == -1)
		goto out;
	print_user(args, id, args->email, &p);
	rc = 0;
out:
	explicit_bzero(&p, sizeof(p));
	return rc;
}

static int
user_cmd_passwd(struct admin *a, const struct user_args *args, struct err *e)
{
	struct new_password p = { 0 };
	struct user_row u;
	int rc = -1;

	if (admin_find_user(a, args->who, &u, e) == -1)
		return -1;
	if (new_password(&p, a, args, e) == -1 ||
	    user_set_password(a->db, u.id, p.hash, e) == -1 ||
	    admin_audit(a, "password-change", u.id, NULL, e) == -1)
		goto out;
	print_user(args, u.id, u.email, &p);
	rc = 0;
out:
	explicit_bzero(&p, sizeof(p));
	return rc;
}

static int
set_disabled(struct admin *a, const struct user_args *args, bool disabled,
    struct err *e)
{
	struct user_row u;

	if (admin_find_user(a, args->who, &u, e) == -1 ||
	    user_set_disabled(a->db, u.id, disabled, e) == -1 ||
	    admin_audit(a, disabled ? "disable" : "enable", u.id, NULL, e) ==
		-1)
		return -1;
	print_user(args, u.id, u.email, NULL);
	return 0;
}

static int
user_cmd_disable(struct admin *a, const struct user_args *args, struct err *e)
{
	return set_disabled(a, args, true, e);
}

static int
user_cmd_enable(struct admin *a, const struct user_args *args, struct err *e)
{
	return set_disabled(a, args, false, e);
}

static int
user_cmd_confirm(struct admin *a, const struct user_args *args, struct err *e)
{
	struct user_row u;

	if (admin_find_user(a, args->who, &u, e) == -1)
		return -1;
	if (u.email[0] == '\0')
		return err_set(e, ERR_INVALID, "%s has no address", u.id);
	if (user_confirm(a->db, u.id, e) == -1 ||
	    admin_audit(a, "address-confirm", u.id, u.email, e) == -1)
		return -1;
	print_user(args, u.id, u.email, NULL);
	return 0;
}

/* The reaper stops what of his still runs; without a poke a little later. */
static int
user_cmd_delete(struct admin *a, const struct user_args *args, struct err *e)
{
	struct err none = { 0 };
	struct user_row u;
	struct poke *poke;

	if (admin_find_user(a, args->who, &u, e) == -1 ||
	    user_delete(a->db, u.id, e) == -1)
		return -1;
	if (poke_open(&poke, a->cfg.state_dir, &none) == 0) {
		poke_send(poke);
		poke_close(poke);
	}
	if (admin_audit(a, "user-delete", u.id, u.email, e) == -1)
		return -1;
	print_user(args, u.id, u.email, NULL);
	return 0;
}

static int
user_cmd_invite(struct admin *a, const struct user_args *args, struct err *e)
{
	if (strchr(args->who, '@') == NULL || strlen(args->who) > 320)
		return err_set(e, ERR_INVALID,
		    "invite needs an address with an @ in it");
	if (invitation_add(a->db, args->who, INVITATION_DAYS, e) == -1 ||
	    admin_audit(a, "invite", NULL, args->who, e) == -1)
		return -1;
	(void)printf("%s may sign up within %d days\n", args->who,
	    INVITATION_DAYS);
	return 0;
}

/* Whose name it is that the options give. */
static int
read_identity(const struct admin *a, const struct user_args *args,
    const char **provider, const char **subject, struct err *e)
{
	if ((args->remote_user == NULL) == (args->subject == NULL))
		return err_set(e, ERR_INVALID,
		    "link needs one of --remote-user and --subject");
	*provider = args->subject != NULL ? a->cfg.idp_issuer : IDENTITY_PROXY;
	*subject = args->subject != NULL ? args->subject : args->remote_user;
	if ((*provider)[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "--subject needs an identity provider: set IDP_ISSUER");
	if ((*subject)[0] == '\0' || strlen(*subject) > 255)
		return err_set(e, ERR_INVALID, "a name has 1 to 255 bytes");
	return 0;
}

static int
user_cmd_link(struct admin *a, const struct user_args *args, struct err *e)
{
	const char *provider, *subject;
	struct user_row u;

	if (read_identity(a, args, &provider, &subject, e) == -1 ||
	    admin_find_user(a, args->who, &u, e) == -1 ||
	    identity_link(a->db, provider, subject, u.id, e) == -1 ||
	    admin_audit(a, "link", u.id, subject, e) == -1)
		return -1;
	print_user(args, u.id, u.email, NULL);
	return 0;
}

static int
user_cmd_unlink(struct admin *a, const struct user_args *args, struct err *e)
{
	const char *provider, *subject;
	char owner[UUID_TEXT];
	struct user_row u;

	if (read_identity(a, args, &provider, &subject, e) == -1 ||
	    admin_find_user(a, args->who, &u, e) == -1 ||
	    identity_find(a->db, provider, subject, owner, e) == -1)
		return -1;
	if (strcmp(owner, u.id) != 0)
		return err_set(e, ERR_ABSENT, "%s is somebody else's", subject);
	if (identity_unlink(a->db, provider, subject, u.id, e) == -1 ||
	    admin_audit(a, "unlink", u.id, subject, e) == -1)
		return -1;
	print_user(args, u.id, u.email, NULL);
	return 0;
}

static int
list_row(void *ctx, const struct user_row *u, struct err *e)
{
	struct json_out *j = ctx;

	(void)e;
	if (j == NULL) {
		(void)printf("%s  %-8s  %-32s  %s\n", u->id,
		    u->disabled          ? "disabled"
			: u->can_sign_in ? "active"
					 : "no-login",
		    u->created_at, u->email);
		return 0;
	}
	json_open(j);
	json_name_text(j, "id", u->id);
	json_name_text(j, "email", u->email);
	json_name_bool(j, "disabled", u->disabled);
	json_name_bool(j, "can_sign_in", u->can_sign_in);
	json_name_text(j, "created_at", u->created_at);
	json_close(j);
	return 0;
}

static int
user_cmd_list(struct admin *a, const struct user_args *args, struct err *e)
{
	struct listing l;
	struct json_out *j = listing_begin(&l, args->json);

	return listing_end(&l, user_list(a->db, list_row, j, e), e);
}

static const struct {
	struct action is;
	int (
	    *run)(struct admin *a, const struct user_args *args, struct err *e);
} actions[] = {
	{ { "add", 0, 0 }, user_cmd_add },
	{ { "passwd", 1, 1 }, user_cmd_passwd },
	{ { "disable", 1, 1 }, user_cmd_disable },
	{ { "enable", 1, 1 }, user_cmd_enable },
	{ { "confirm", 1, 1 }, user_cmd_confirm },
	{ { "delete", 1, 1 }, user_cmd_delete },
	{ { "list", 0, 0 }, user_cmd_list },
	{ { "invite", 1, 1 }, user_cmd_invite },
	{ { "link", 1, 1 }, user_cmd_link },
	{ { "unlink", 1, 1 }, user_cmd_unlink },
};

#define AT(field) offsetof(struct user_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "email", OPTION_TEXT, AT(email), 0, 0, 0 },
	{ "name", OPTION_TEXT, AT(name), 0, 0, 0 },
	{ "id", OPTION_TEXT, AT(id), 0, 0, 0 },
	{ "remote-user", OPTION_TEXT, AT(remote_user), 0, 0, 0 },
	{ "subject", OPTION_TEXT, AT(subject), 0, 0, 0 },
	{ "generate", OPTION_FLAG, AT(generate), 0, 0, 0 },
	{ "json", OPTION_FLAG, AT(json), 0, 0, 0 },
};

int
cmd_user(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct user_args args = { 0 };
	struct err e = { 0 };
	struct admin a;
	int i, rc, status;

	if (!options_read(&line, &args, argc, argv, &status))
		return status;
	if ((i = ACTION_FIND(actions, argc, argv, usage)) == -1)
		return EX_USAGE;
	args.who = argv[optind + 1];
	if (admin_open(&a, args.config, &e) == -1)
		return cmd_fail("user", &e);
	rc = actions[i].run(&a, &args, &e);
	admin_close(&a);
	return rc == -1 ? cmd_fail("user", &e) : EX_OK;
}
