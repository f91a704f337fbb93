#include "cmd/cmd.h"

#include "util/fault.h"

int
cmd_fault_points(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return fault_points_print();
}
