#ifndef TEST_SPOOL_FOLDER_H
#define TEST_SPOOL_FOLDER_H

/* A throw-away folder for one test. */
struct folder {
	char path[64];
	int fd;
};

int folder_setup(void **state); /* *state is a struct folder */
int folder_teardown(void **state);

/* Puts bytes into a file of it; reads one into out, returns its length. */
void folder_write(const struct folder *f, const char *name, const void *bytes,
    unsigned long len);
unsigned long folder_read(const struct folder *f, const char *name, char *out,
    unsigned long size);

#endif
