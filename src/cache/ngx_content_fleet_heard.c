/*
 * What the fleet tells a worker: pings, notices of changes, acknowledgements
 * and the ends of fills.  Called for each message of the subscription
 * (ngx_content_fleet_link.h).  The fleet's own channel only the control worker
 * hears, so that one works on the memory cache for all.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/ngx_content_str.h"
#include "cache/ngx_content_fleet_internal.h"
#include "cache/ngx_content_redis_await.h"


static void ngx_content_fleet_peer(ngx_content_fleet_t *fleet,
    content_notice_t *notice, uint64_t now);
static void ngx_content_fleet_forget(ngx_content_fleet_t *fleet,
    content_notice_t *notice);
static void ngx_content_fleet_count(ngx_content_fleet_t *fleet,
    content_notice_t *notice, content_change_t *change,
    content_change_entry_t *entry);
static void ngx_content_fleet_drop(ngx_content_fleet_t *fleet,
    content_change_t *change, content_change_entry_t *entry);


void
ngx_content_fleet_heard(ngx_content_fleet_t *fleet, ngx_str_t *text)
{
    content_notice_t  notice;

    if (content_notice_read(ngx_content_from_ngx(*text), &notice)
        != CONTENT_OK)
    {
        ngx_log_error(NGX_LOG_ERR, fleet->log, 0,
                      "content fleet: heard what is no notice");
        return;
    }

    switch (notice.kind) {

    case CONTENT_NOTICE_PING:
        ngx_content_fleet_peer(fleet, &notice, ngx_content_fleet_now());

        if (notice.node == fleet->shared->node) {
            ngx_content_fleet_came_back(fleet, &notice);
        }

        break;

    case CONTENT_NOTICE_FORGET:
        ngx_content_fleet_forget(fleet, &notice);
        break;

    case CONTENT_NOTICE_ACK:
        ngx_content_fleet_acked(fleet, &notice);
        break;

    case CONTENT_NOTICE_FILLED:
        ngx_content_redis_await_told(fleet->redis, notice.name);
    }
}


/* Only the control worker writes there. */

static void
ngx_content_fleet_peer(ngx_content_fleet_t *fleet, content_notice_t *notice,
    uint64_t now)
{
    ngx_uint_t                 i;
    ngx_content_fleet_peer_t  *peer, *oldest;

    peer = fleet->shared->peers;
    oldest = peer;

    for (i = 0; i < NGX_CONTENT_FLEET_PEERS; i++, peer++) {
        if (peer->node == notice->node) {
            oldest = peer;
            break;
        }

        if (peer->seen < oldest->seen) {
            oldest = peer;
        }
    }

    oldest->node = notice->node;
    oldest->seen = now;
    oldest->lag = notice->node == fleet->shared->node ? now - notice->sent
                                                      : 0;
    oldest->name_len = ngx_min(notice->name.len, NGX_CONTENT_FLEET_NAME);
    ngx_memcpy(oldest->name, notice->name.data, oldest->name_len);
}


static void
ngx_content_fleet_forget(ngx_content_fleet_t *fleet, content_notice_t *notice)
{
    int                     rc;
    content_change_t        change;
    content_change_entry_t  entry;

    rc = content_change_read(notice->change, &change);

    while (rc == CONTENT_OK) {
        rc = content_change_next(&change, &entry);

        if (rc == CONTENT_OK) {
            ngx_content_fleet_count(fleet, notice, &change, &entry);
            ngx_content_fleet_drop(fleet, &change, &entry);
        }
    }

    if (rc != CONTENT_DONE && fleet->memory) {

        /* of another version: whatever it was about */

        ngx_content_memory_clear(fleet->memory);
    }

    (void) ngx_atomic_fetch_add(&fleet->shared->forgotten, 1);

    ngx_content_fleet_acknowledge(fleet, notice);
}


/* This node's own changes were counted by who has made them. */

static void
ngx_content_fleet_count(ngx_content_fleet_t *fleet, content_notice_t *notice,
    content_change_t *change, content_change_entry_t *entry)
{
    uint32_t  hash;

    if (((notice->worker ^ fleet->worker) & NGX_CONTENT_FLEET_HALF) == 0
        || (entry->kind != CONTENT_CHANGE_KEY
            && entry->kind != CONTENT_CHANGE_NEW))
    {
        return;
    }

    hash = ngx_content_responses_hash(change->store, entry->value.data,
                                      entry->value.len);

    (void) ngx_atomic_fetch_add(ngx_content_writes_of(&fleet->shared->writes,
                                                      hash), 1);
}


static void
ngx_content_fleet_drop(ngx_content_fleet_t *fleet, content_change_t *change,
    content_change_entry_t *entry)
{
    ngx_str_t                 key;
    ngx_content_memory_key_t  mkey;

    if (fleet->memory == NULL) {
        return;
    }

    switch (entry->kind) {

    case CONTENT_CHANGE_TAG:
        ngx_content_memory_purge_tag(fleet->memory, change->store,
                                     entry->value);
        return;

    case CONTENT_CHANGE_PREFIX:
        ngx_content_memory_purge_prefix(fleet->memory, change->store,
                                        entry->value);
        return;

    case CONTENT_CHANGE_ALL:
        ngx_content_memory_clear(fleet->memory);
        return;

    default:
        break;
    }

    if (entry->value.len > NGX_CONTENT_MEMORY_KEY - 12) {
        ngx_content_memory_clear(fleet->memory);
        return;
    }

    key = ngx_content_to_ngx(entry->value);

    ngx_content_memory_key(fleet->memory, &mkey, change->store, &key);
    ngx_content_memory_drop(fleet->memory, &mkey);
}
