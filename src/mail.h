/*
 * What any thread may send to a loop: a mail, which the loop opens on its own thread. Sending takes no memory, so that what
 * has to arrive does.
 */
#ifndef PROMISE_SRC_MAIL_H
#define PROMISE_SRC_MAIL_H

#include <promise/remote.h>

struct mail {
    struct mail *next;
    /* On the loop's thread, outside of the drain; when loop->dying, nothing is to be started any more. The mail is its own. */
    void (*open)(struct mail *mail, promise_loop_t *loop);
};

/* On any thread, with a reference to the mailbox that lasts until the mail is opened. Those of one thread are opened in their
 * order. -1 when the loop is gone: the mail is the caller's again, and so is what goes with it. */
int promise__mail_send(promise_mailbox_t *mailbox, struct mail *mail);

/* On the loop's thread: opened there, too, but as soon as the current drain has ended, and all that it held is let go of. */
void promise__after_drain(promise_loop_t *loop, struct mail *mail);

/* On the loop's thread, a reference that is given back: by what is opened, and by all else. */
void promise__mailbox_release(promise_mailbox_t *mailbox);
void promise__mailbox_give_back(promise_loop_t *loop, promise_mailbox_t *mailbox);

/* On the loop's thread: one mail more is to come, to loop's mailbox (NULL: out of memory), which goes without a reference of
 * its own: the loop waits for it (J3), and the mailbox is there until it has come, or was refused. */
promise_mailbox_t *promise__mail_expect(promise_loop_t *loop);
/* It has come (what its open() ends with), or will not come. */
void promise__mail_came(promise_loop_t *loop);
/* On any thread: it could not be sent. */
static inline void promise__mail_refused(promise_mailbox_t *mailbox) { promise__mailbox_release(mailbox); }

/* The same as promise_loop_mailbox, for a public function of that name. */
promise_mailbox_t *promise__loop_mailbox(promise_loop_t *loop, const char *function);

#endif
