/*
 * The coherence of a fleet, for one key.
 *
 * Writers, nodes, readers, one Redis, the storage behind them, a CDN before
 * them.  README.md maps every process and rule to the code, and tells what is
 * abstracted.  run.py has the bounds (-DWRITERS=1 ...) and the broken variants
 * (-DBREAK_FENCE ...).
 *
 * A version is the number of the change in storage's order: 1 is there first,
 * 0 is "nothing here".  A DELETE is a version like any other.
 *
 * Time.  There is no clock.  A lease may run out whenever it likes.  A publish
 * marks, when Redis has confirmed it, each lease and each ping that was sent
 * before (the bit of the publish in lease_old, ping_old).  "L has passed since"
 * can come to be true only when no marked lease is valid any more, and makes
 * the marked pings worthless.  That is all that L is good for, and it holds for
 * every L and every speed.  So are deadlines: that of an intent may pass at any
 * time when its storage request is over, and only then.
 *
 * A generation is a counter in the code.  Here each reader has a bit that says
 * whether the counter has moved since the reader took it.
 */

#ifndef WRITERS
#define WRITERS   1
#endif
#ifndef NODES
#define NODES     1
#endif
#ifndef READERS
#define READERS   1       /* reader r is at node r % NODES */
#endif
#ifndef CUTS
#define CUTS      0       /* control connections that are lost */
#endif
#ifndef CRASHES
#define CRASHES   0       /* of writers, and of who takes over */
#endif
#ifndef PAUSES
#define PAUSES    0       /* intents taken over from a writer that lives */
#endif
#ifndef UNKNOWNS
#define UNKNOWNS  0       /* storage requests whose answer is lost */
#endif
#ifndef RESTARTS
#define RESTARTS  0       /* of Redis */
#endif
#ifndef PINGS
#define PINGS     255     /* of each node; 255: without end */
#endif
#ifndef READS
#define READS     255     /* of each reader; 255: without end */
#endif
#ifdef CDN
#define PURGER    1
#else
#define PURGER    0
#endif

#define NODE(r)   ((r) % NODES)
#define BIT(i)    (1 << (i))
#define ALL       (BIT(NODES) - 1)
#define RESTART   7       /* the bit of a restart, as of a publish */
#define MAX(a, b) ((a) > (b) -> (a) : (b))

#define NONE      0       /* an intent: not there */
#define OPEN      1
#define SETTLED   2

#define DOWN      0       /* a control connection */
#define JOINED    1       /* subscribed, L1 not emptied yet */
#define UP        2

#ifdef BREAK_EMPTY_ORDER
#define HEARS(n)  (connection[n] == UP)     /* emptied, then subscribed */
#else
#define HEARS(n)  (connection[n] != DOWN)
#endif

mtype = { PING, INVALIDATE };


/* storage */

byte stored = 1;              /* the version that it holds */
byte versions = 1;
bool pending[WRITERS];        /* a request is on its way, or being applied */
byte version[WRITERS];        /* what the request became; 0: nothing yet */

/* Redis */

byte record, record_epoch;
byte token, token_epoch;      /* the reader that may fill, plus 1 */
byte epoch;
byte older_record, older_record_epoch;
byte older_token, older_token_epoch;
                              /* as they were before the last END */
byte live;                    /* nodes that are registered */
byte intent[WRITERS];
bool young;                   /* restarted less than L ago */

/* nodes */

byte l1[NODES];
bool lease[NODES];
byte lease_old[NODES];
byte connection[NODES];
byte ping[NODES];             /* 0 none, 1 sent, 2 published */
byte ping_old[NODES];
bool ping_good[NODES];
chan queue[NODES] = [4] of { mtype, byte };

/* publishes */

byte publishes;
byte asked[4];                /* nodes whose acknowledgement counts */
byte acked[4];
byte told[4];                 /* nodes that said what they have in flight */

/* readers */

bool moved[READERS];          /* the generation, since the reader took it */
bool filling[READERS];        /* it has the token, and bytes from storage */
byte filled[READERS];         /* those bytes */
byte filling_epoch[READERS];

/* the CDN: what it holds; reader 0 is its request */

byte cdn, cdn_floor;
bool busy;

/* what may still go wrong */

byte cuts = CUTS, crashes = CRASHES, pauses = PAUSES, unknowns = UNKNOWNS;
byte restarts = RESTARTS;
bool kill_writer[WRITERS], kill_taker;

/* the judge's */

byte floor = 1;               /* no read that begins now may find less */
bool dead[WRITERS];
bool expired[WRITERS];        /* the intent's deadline has passed */

byte i;                       /* counts within a d_step; else 0 */


/* A change has to be seen when nobody is left who would make it seen. */

#define DUE(w)    (intent[w] == SETTLED || (dead[w] && intent[w] != OPEN))

inline judge(w) {
    if
    :: DUE(w) -> floor = MAX(floor, version[w])
    :: else
    fi
}

inline move_generation(n) {
    i = 0;
    do
    :: i < READERS ->
        if
        :: NODE(i) == n -> moved[i] = true
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}


/* --- a change: what follows the storage request ------------------------- */

inline end_record() {
    d_step {
        older_record = record;
        older_record_epoch = record_epoch;
        older_token = token;
        older_token_epoch = token_epoch;
        record = 0;
        record_epoch = 0;
#ifndef BREAK_TOKEN
        token = 0;
        token_epoch = 0
#endif
    }
}

/* Redis hands the message to who has subscribed, and says who is registered. */
inline publish(p) {
    d_step {
        p = publishes;
        publishes++;
        assert(p < 4);
#ifndef BREAK_PUBLISH
        i = 0;
        do
        :: i < NODES ->
            if
            :: HEARS(i) -> queue[i] ! INVALIDATE, p
            :: else
            fi;
            i++
        :: else -> break
        od;
#endif
        i = 0;
        asked[p] = live
    }
}

inline mark(at) {
    i = 0;
    do
    :: i < NODES ->
        if
        :: lease[i] -> lease_old[i] = lease_old[i] | BIT(at)
        :: else
        fi;
        if
        :: ping[i] != 0 -> ping_old[i] = ping_old[i] | BIT(at)
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

/* Pings sent before it are worthless (time), or need no mark any more. */
inline unmark(at, time) {
    i = 0;
    do
    :: i < NODES ->
        if
        :: time && (ping_old[i] & BIT(at)) -> ping_good[i] = false
        :: else
        fi;
        lease_old[i] = lease_old[i] & ~BIT(at);
        ping_old[i] = ping_old[i] & ~BIT(at);
        i++
    :: else -> break
    od;
    i = 0
}

#if NODES == 1
#define NO_OLD_LEASE(at)   (!(lease_old[0] & BIT(at)))
#else
#define NO_OLD_LEASE(at)   (!((lease_old[0] | lease_old[1]) & BIT(at)))
#endif

#ifdef BREAK_QUARANTINE
#define ACKED(p)  ((acked[p] & asked[p]) == asked[p])
#else
#define ACKED(p)  (!young && (acked[p] & asked[p]) == asked[p])
#endif

inline await(p) {
#ifndef BREAK_CONFIRMED
    d_step { mark(p) };                 /* Redis has confirmed: L begins */
#endif
#ifndef BREAK_ACKS
    if
    :: d_step { ACKED(p) -> unmark(p, false) }
    :: d_step { NO_OLD_LEASE(p) -> unmark(p, true) }
    fi
#else
    d_step { unmark(p, false) }
#endif
}

inline change(p) {
#ifdef BREAK_CONFIRMED
    d_step { mark(publishes) };         /* L begins with the sending */
#endif
#ifdef BREAK_PURGE
    d_step { cdn = 0 };
#endif
    end_record();
    publish(p);
    await(p)
}


/* --- writers ------------------------------------------------------------- */

inline settle(w) {
    d_step {
        intent[w] = SETTLED;
        judge(w)
    }
}

/* The job of the CDN's purge, which is in the queue since the settling. */
inline purge(w, p) {
#ifdef CDN
#ifndef BREAK_PURGE
    d_step { cdn = 0 };
#endif
#if !defined(BREAK_REPEAT) && !defined(BREAK_PURGE)
#ifdef BREAK_TOLD
    /* only who has acknowledged in time is waited for */
    (!(acked[p] & BIT(NODE(0))) || !(busy && moved[0]));
#else
    ((told[p] & BIT(NODE(0))) && !(busy && moved[0]));
#endif
    d_step { cdn = 0 };
#endif
    d_step {
        cdn_floor = MAX(cdn_floor, version[w]);
        assert(cdn == 0 || cdn >= cdn_floor)
    }
#else
    skip
#endif
}

proctype Writer(byte w) {
    byte p;
    bool unknown;

    {
#ifndef BREAK_INTENT
        d_step { intent[w] = OPEN };
#endif

        /* The request is sent if it can be over before the deadline. */
        if
        :: d_step { !expired[w] -> pending[w] = true }
        :: expired[w] -> goto refused
        fi;

        /* Its answer, or none. */
        if
        :: !pending[w]
        :: d_step { unknowns > 0 -> unknowns--; unknown = true }
        fi;

#ifdef BREAK_INTENT
        d_step { intent[w] = OPEN };
#endif

        change(p);

#ifndef BREAK_SECOND
        if
        :: unknown ->
            d_step { !pending[w] -> expired[w] = true };
            end_record();
#ifndef BREAK_SECOND_WHOLE
            publish(p);
            await(p)
#endif
        :: else
        fi;
#endif
        settle(w);                      /* and the editor has the answer */
        purge(w, p)

    } unless { kill_writer[w] };

refused:
    skip;
    d_step { p = 0; unknown = false; dead[w] = true; judge(w) }
}

#ifdef BREAK_DEADLINE
#define OVER(w)   true
#else
#define OVER(w)   (!pending[w])         /* the deadline can have passed */
#endif

#define ABANDONED(w)  (intent[w] == OPEN && OVER(w) \
                       && (dead[w] || (pauses > 0 && !expired[w])))

/* Takes over what is idle: always what a dead writer has left, and at times
   what a paused one will come back to. */
proctype Taker() {
    byte w, p;

end:
    do
    :: d_step {
            ABANDONED(0) ->
            if
            :: dead[0]
            :: else -> pauses--
            fi;
            expired[0] = true;
            w = 0
        }; goto take
#if WRITERS > 1
    :: d_step {
            ABANDONED(1) ->
            if
            :: dead[1]
            :: else -> pauses--
            fi;
            expired[1] = true;
            w = 1
        }; goto take
#endif
    od;

take:
    skip;
    {
        change(p);
        settle(w);
        purge(w, p)
    } unless { kill_taker };

    d_step { kill_taker = false; w = 0; p = 0 };
    goto end
}

proctype Killer() {
end:
    do
    :: d_step { crashes > 0 && !dead[0] -> crashes--; kill_writer[0] = true }
#if WRITERS > 1
    :: d_step { crashes > 0 && !dead[1] -> crashes--; kill_writer[1] = true }
#endif
    :: d_step { crashes > 0 && !kill_taker -> crashes--; kill_taker = true }
    od
}


/* --- storage ------------------------------------------------------------- */

inline apply(w) {
    versions++;
    stored = versions;
    version[w] = versions;
    pending[w] = false;
    judge(w)
}

proctype Storage() {
end:
    do
    :: d_step { pending[0] -> apply(0) }
    :: d_step { pending[0] -> pending[0] = false }          /* refused */
#if WRITERS > 1
    :: d_step { pending[1] -> apply(1) }
    :: d_step { pending[1] -> pending[1] = false }
#endif
    od
}


/* --- Redis: what happens to it ------------------------------------------- */

inline restart() {
    epoch++;
    young = true;
    live = 0;
    i = 0;
    do
    :: i < NODES ->
        connection[i] = DOWN;
        ping[i] = 0;
        ping_old[i] = 0;
        ping_good[i] = false;
        do
        :: len(queue[i]) > 0 -> queue[i] ? _, _
        :: else -> break
        od;
        i++
    :: else -> break
    od;
    mark(RESTART)
}

proctype Redis() {
end:
    do
    :: d_step { token != 0 -> token = 0; token_epoch = 0 }  /* it expires */
    :: d_step { record != 0 -> record = 0; record_epoch = 0 }
#if RESTARTS > 0
    :: d_step { restarts > 0 -> restarts--; restart() }
    :: d_step {
            restarts > 0 ->             /* and the last END is lost */
            restarts--;
            record = older_record;
            record_epoch = older_record_epoch;
            token = older_token;
            token_epoch = older_token_epoch;
            restart()
        }
#ifdef BREAK_INTENTS_KEPT
    :: d_step {
            restarts > 0 ->
            restarts--;
            i = 0;
            do
            :: i < WRITERS ->
                if
                :: intent[i] == OPEN -> intent[i] = NONE
                :: else
                fi;
                judge(i);
                i++
            :: else -> break
            od;
            restart()
        }
#endif
    :: d_step { young && NO_OLD_LEASE(RESTART) -> young = false;
                unmark(RESTART, true) }
#endif
    od
}


/* --- nodes --------------------------------------------------------------- */

inline forget(n) {
#ifndef BREAK_EMPTY
    l1[n] = 0;
    move_generation(n);
#endif
    skip
}

proctype Control(byte n) {
    byte p, pings = PINGS;

end:
    do

    /* a connection */

    :: d_step {
            connection[n] == DOWN ->
#ifdef BREAK_EMPTY_ORDER
            forget(n);
#endif
            connection[n] = JOINED
        }
    :: d_step {
            connection[n] == JOINED ->
#ifndef BREAK_EMPTY_ORDER
            forget(n);
#endif
            i = 0;
            do
            :: i < publishes -> told[i] = told[i] | BIT(n); i++
            :: else -> break
            od;
            i = 0;
            connection[n] = UP
        }
    :: d_step {
            cuts > 0 && connection[n] != DOWN ->
            cuts--;
            connection[n] = DOWN;
            do
            :: len(queue[n]) > 0 -> queue[n] ? _, _
            :: else -> break
            od;
            ping[n] = 0;
            ping_old[n] = 0;
            ping_good[n] = false
        }

    /* its lease */

    :: d_step {
            connection[n] == UP && ping[n] == 0 && pings > 0 ->
            if
            :: pings < 255 -> pings--
            :: else
            fi;
            ping[n] = 1;
            ping_good[n] = true;
            ping_old[n] = 0
        }
    :: d_step {
            ping[n] == 1 ->             /* Redis has it */
            live = live | BIT(n);
#ifdef BREAK_INBAND
            ping[n] = 0;                /* a reply, past the subscription */
            lease[n] = ping_good[n];
            lease_old[n] = ping_old[n];
            ping_old[n] = 0;
            ping_good[n] = false
#else
            ping[n] = 2;
            queue[n] ! PING, 0
#endif
        }
    :: d_step { lease[n] -> lease[n] = false; lease_old[n] = 0 }

    /* what comes by the subscription, in order */

    :: d_step {
            queue[n] ? PING, _ ->
            if
            :: ping_good[n] ->
                lease[n] = true;
#ifdef BREAK_SENT
                lease_old[n] = 0
#else
                lease_old[n] = ping_old[n]
#endif
            :: else
            fi;
            ping[n] = 0;
            ping_old[n] = 0;
            ping_good[n] = false
        }
    :: d_step {
            queue[n] ? INVALIDATE, p ->
            move_generation(n);
            l1[n] = 0;
            acked[p] = acked[p] | BIT(n);
            told[p] = told[p] | BIT(n);
            p = 0
        }
    od
}


/* --- readers ------------------------------------------------------------- */

#ifdef BREAK_EPOCH
#define CURRENT(e)  true
#else
#define CURRENT(e)  ((e) == epoch)
#endif

/* A fill of another reader of the node, that a request may join. */
#ifdef BREAK_JOIN
#define JOINABLE(o)  (filling[o])
#else
#define JOINABLE(o)  (filling[o] && ((!moved[o] && lease[NODE(o)]) \
                      || (token == (o) + 1 && CURRENT(token_epoch))))
#endif

#ifdef BREAK_LEASE
#define MAY_HIT(n)  (l1[n] != 0)
#else
#define MAY_HIT(n)  (l1[n] != 0 && lease[n])
#endif

proctype Reader(byte r) {
    byte v, least, reads = READS;
    bool offer, fill, turn;

end:
    do
    :: reads == 0 -> break
    :: else ->
        if
        :: reads < 255 -> reads--
        :: else
        fi;

#ifdef BREAK_CLOCK
        /* the lease is looked at with the time of the turn of the event loop,
           which may be older than the request */
        d_step { turn = lease[NODE(r)] };
#endif
        d_step {
            least = floor;
            moved[r] = false;
#ifdef BREAK_JOIN_FENCE
            /* the fill's fence is compared with the one of this moment */
            turn = filling[1 - r] && !moved[1 - r];
#endif
#ifdef CDN
            if
            :: r == 0 -> busy = true
            :: else
            fi
#endif
        };

        if
#ifdef BREAK_CLOCK
        :: d_step { l1[NODE(r)] != 0 && turn -> v = l1[NODE(r)] }
#else
        :: d_step { MAY_HIT(NODE(r)) -> v = l1[NODE(r)] }
#endif
        :: d_step {
                record != 0 && CURRENT(record_epoch) ->
                v = record;
                offer = true
            }
#ifdef BREAK_LATE_FENCE
            ; d_step { moved[r] = false }   /* taken when the reply is there */
#endif
        :: d_step {
                !(record != 0 && CURRENT(record_epoch)) && token == 0 ->
                token = r + 1;
                token_epoch = epoch;
                filling_epoch[r] = epoch;
                fill = true
            };
            d_step {
                v = stored;
                filling[r] = true;
                filled[r] = v;
                offer = true
            }
        :: d_step { v = stored; offer = true }  /* storage, past Redis */
#ifdef BREAK_JOIN_FENCE
        :: d_step { turn && filling[1 - r] && lease[NODE(r)] ->
                    v = filled[1 - r] }
#elif READERS > 1
        :: d_step { NODE(1 - r) == NODE(r) && JOINABLE(1 - r) ->
                    v = filled[1 - r] }
#endif
        fi;

#ifdef CDN
        if
        :: r == 0 ->
            d_step {
                assert(v >= cdn_floor);
                cdn = v;
                busy = false
            }
        :: else
        fi;
#endif
        assert(v >= least);

        if
        :: fill ->
            d_step {
                if
                :: token == r + 1 && CURRENT(filling_epoch[r]) ->
                    record = v;
                    record_epoch = epoch;
                    token = 0;
                    token_epoch = 0
                :: else
                fi;
                fill = false;
                filling[r] = false;
                filled[r] = 0;
                filling_epoch[r] = 0
            }
        :: else
        fi;

        d_step {
            if
#ifdef BREAK_FENCE
            :: offer -> l1[NODE(r)] = v
#else
            :: offer && !moved[r] -> l1[NODE(r)] = v
#endif
            :: else
            fi;
            offer = false;
            turn = false;
            v = 0;
            least = 0;
            moved[r] = false
        }
    od
}


/* When nothing more can happen, no intent may be left. */
proctype Judge() {
end:
    timeout ->
    assert(intent[0] != OPEN);
#if WRITERS > 1
    assert(intent[1] != OPEN);
#endif
    skip
}

init {
    byte k;

    atomic {
        run Storage();
        run Redis();
        do :: k < NODES -> run Control(k); k++ :: else -> break od;
        k = 0;
        do :: k < READERS -> run Reader(k); k++ :: else -> break od;
        k = 0;
        do :: k < WRITERS -> run Writer(k); k++ :: else -> break od;
        k = 0;
#if (CRASHES > 0 || PAUSES > 0) && !defined(BREAK_TAKEOVER)
        run Taker();
#endif
#if CRASHES > 0
        run Killer();
#endif
#if PINGS < 255 && READS < 255
        run Judge()
#else
        skip
#endif
    }
}
