/* SPDX-License-Identifier: MIT */
/* ssh_private.h - shared by the parts of a session only: ssh.c, ssh_proxy.c, ssh_hostkey.c, login.c
 * and ssh_command.c. A part's turn returns 1 when the state changed or there is more to do at once,
 * 0 to wait, -1 when the session failed. */
#ifndef FARM_DEPLOY_SSH_PRIVATE_H
#define FARM_DEPLOY_SSH_PRIVATE_H

#include "deploy/ssh.h"

#include <libssh2.h>
#include <netdb.h>

enum login_way {
    LOGIN_METHODS,  /* asks the host for its methods */
    LOGIN_AGENT,    /* tries the keys of the user's agent */
    LOGIN_FILES,    /* tries the key files, with the agent where it has the same key */
    LOGIN_PASSWORD, /* tries a password */
    LOGIN_NONE      /* every way failed */
};

struct login {
    enum login_way way;
    const char *methods; /* the host's methods, for example "publickey,password" */
    LIBSSH2_AGENT *agent;
    struct libssh2_agent_publickey *identity; /* the agent's key that is being tried */
    bool asked_agent;                         /* whether there is an agent was found out */
    size_t file;                              /* index in destination.identities */
    bool looked;                              /* `match` is of this file */
    struct libssh2_agent_publickey *match;    /* the agent's key that is this file's, or NULL */
    char *secret;                             /* a passphrase or password, wiped after use */
    unsigned passwords;                       /* number of wrong ones */
    unsigned tried, rsa_left_out, unreadable; /* counted for the final error */
    bool asked;                               /* the present secret was asked for */
};

/* The child whose stdin and stdout are the connection. */
struct proxy {
    pid_t pid;       /* 0: there is none */
    int messages_fd; /* its stderr, non-blocking */
    char said[512];  /* the last message */
};

struct ssh {
    const struct destination *to;
    struct ssh_trust trust;
    enum ssh_state state;
    enum ssh_fault fault;
    struct err err;
    uint64_t deadline_ms;
    struct arena arena;

    struct addrinfo *addresses, *address; /* all, and the one that is being tried */
    int fd;
    LIBSSH2_SESSION *session;
    uint64_t received;             /* bytes so far */
    uint64_t receives_until;       /* the limit of `received` in this turn */
    bool has_more;                 /* the last turn stopped at that limit */
    uint64_t spent_ms, counted_ms; /* time in busy states, and until when it is counted */
    uint64_t limit_ms;             /* of spent_ms */
    struct proxy proxy;
    char own_address[64];
    char key_address[64]; /* the host's address in known_hosts, "" through a proxy */
    const char *question;
    struct login login;

    struct ssh_command command;
    LIBSSH2_CHANNEL *channel, *held;
    int stage; /* of the command */
    size_t sent;
    bool is_fed; /* all of its input was sent */
    struct ssh_result result;
};

/* Ends the session with a fault and a sentence; returns -1. */
int ssh_fail(struct ssh *ssh, enum ssh_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the state and how long it may last; returns 1. */
int ssh_enter(struct ssh *ssh, enum ssh_state state, uint64_t limit_ms);
/* libssh2's text for its last error; "" if there is none. */
const char *ssh_reason(struct ssh *ssh);

/* Before the handshake: if the host has several keys, prefers the type of a known one; permits only
 * the algorithms of ssh_config. -1: the session failed. */
int hostkey_prefer_known(struct ssh *ssh);
/* After the handshake: enters SSH_LOGIN when the host's key is known, else SSH_ASKS_TRUST, or fails
 * with SSH_WRONG_KEY. */
int hostkey_check(struct ssh *ssh);

/* Starts the command of the destination; returns our end of the connection, or -1 with err. */
int proxy_start(struct proxy *proxy, const char *const *argv, struct err *err);
/* Reads its messages; the last line is in `said`. */
void proxy_listen(struct proxy *proxy);
/* Ends the command and all that it started. */
void proxy_stop(struct proxy *proxy);

/* One turn in SSH_LOGIN. */
int login_turn(struct ssh *ssh);
void login_release(struct ssh *ssh);

/* One turn in SSH_BUSY. */
int command_turn(struct ssh *ssh);

#endif
