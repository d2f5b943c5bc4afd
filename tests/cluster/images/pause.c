/* Holds a pod's namespaces: waits for a signal to end, and takes in the children that the pod's processes leave. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal_number) {
    (void)signal_number;
    _exit(0);
}

static void reap(int signal_number) {
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

int main(void) {
    struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGCHLD, &reaping, NULL);
    signal(SIGINT, end);
    signal(SIGTERM, end);
    for (;;) {
        pause();
    }
}
