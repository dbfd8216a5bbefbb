/* SPDX-License-Identifier: MIT */
/* ssh_private.h - what ssh.c and login.c share. Nobody else includes it. */
#ifndef FARM_DEPLOY_SSH_PRIVATE_H
#define FARM_DEPLOY_SSH_PRIVATE_H

#include "deploy/ssh.h"

#include <libssh2.h>
#include <netdb.h>

enum login_way {
    LOGIN_METHODS,  /* asks what the host takes */
    LOGIN_AGENT,    /* the keys of the user's agent, one after the other */
    LOGIN_FILES,    /* the key files */
    LOGIN_PASSWORD, /* asked for */
    LOGIN_NONE      /* nothing is left */
};

struct login {
    enum login_way way;
    const char *methods; /* what the host takes, "publickey,password" */
    LIBSSH2_AGENT *agent;
    struct libssh2_agent_publickey *identity; /* the one that is tried */
    size_t file;                              /* of destination.identities */
    char *secret;                             /* a passphrase or password, wiped after its use */
    unsigned passwords;                       /* that were wrong */
    unsigned tried, rsa_left_out, unreadable; /* for the sentence at the end */
    bool asked;                               /* for the passphrase of this file */
};

struct ssh {
    const struct destination *to;
    struct ssh_trust trust;
    enum ssh_state state;
    enum ssh_fault fault;
    struct err err;
    uint64_t deadline_ms;
    struct arena arena;

    struct addrinfo *addresses, *address; /* all, and the one that is tried */
    int fd;
    LIBSSH2_SESSION *session;
    uint64_t received; /* bytes, ever */
    char own_address[64];
    const char *question;
    struct login login;

    struct ssh_command command;
    LIBSSH2_CHANNEL *channel, *held;
    int stage; /* of the command */
    size_t sent;
    bool is_fed; /* its input has ended */
    struct ssh_result result;
};

/* Ends the session with a fault and a sentence; -1. */
int ssh_fail(struct ssh *ssh, enum ssh_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A new state, and how long it may last. 1. */
int ssh_enter(struct ssh *ssh, enum ssh_state state, uint64_t limit_ms);
/* What libssh2 says of its last error, "" when nothing. */
const char *ssh_reason(struct ssh *ssh);

/* The state SSH_LOGIN: 1 when the state changed or there is more to do at once, 0 to wait, -1. */
int login_turn(struct ssh *ssh);
void login_release(struct ssh *ssh);

#endif
