#ifndef CMD_CMD_H
#define CMD_CMD_H

/*
 * cmd: the sub-commands of taskmill, one file a command. argv[0] is the
 * command's own name. What they return is the exit status (sysexits.h):
 * 0 done, 64 wrong usage, 65 wrong data, 69 not available, 70 our bug, 75 try
 * again, 77 no permission, 78 wrong configuration; 1 for "no" where a command
 * asks a question.
 */
int cmd_api(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_fault_points(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_janitor(int argc, char **argv);
int cmd_jwks(int argc, char **argv);
int cmd_keygen(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_reaper(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sandbox(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_spawner(int argc, char **argv);
int cmd_task(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_user(int argc, char **argv);

#endif
