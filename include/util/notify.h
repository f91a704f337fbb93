#ifndef UTIL_NOTIFY_H
#define UTIL_NOTIFY_H

/*
 * notify: tells systemd how we are: sd_notify(3)'s protocol, one datagram to
 * $NOTIFY_SOCKET. Without that variable nothing happens; failures are not
 * our service's business. Example: notify_send("READY=1").
 */
void notify_send(const char *state);

/*
 * A listening socket that systemd handed over (LISTEN_PID, LISTEN_FDS): the
 * number of the first descriptor and *count of them; -1 when there is none.
 */
int notify_listen_fds(int *count);

#endif
