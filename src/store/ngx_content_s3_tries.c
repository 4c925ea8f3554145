/*
 * The tries of one request to S3, as a call or as a read, and what the store
 * learns from them: how far its clock is from the server's, and the bucket's
 * region.
 */

#include "store/ngx_content_s3.h"
#include "core/ngx_content_str.h"


static void ngx_content_s3_tries_judge(ngx_content_s3_tries_t *tries,
    ngx_content_s3_conf_t *conf, content_retry_answer_t *answer);
static ngx_uint_t ngx_content_s3_tries_doubtful(content_retry_state_t state,
    content_retry_answer_t *answer);
static void ngx_content_s3_learn_clock(ngx_content_s3_conf_t *conf,
    int64_t date);
static ngx_int_t ngx_content_s3_learn_region(ngx_content_s3_conf_t *conf,
    content_str_t region);


void
ngx_content_s3_tries_begin(ngx_content_s3_tries_t *tries,
    ngx_content_s3_conf_t *conf)
{
    if (tries->signed_at == 0 || tries->anew) {
        tries->started = ngx_current_msec;
    }

    if (!tries->free) {
        tries->made++;
    }

    tries->free = 0;
    tries->anew = 0;
    tries->endpoint = ngx_content_s3_endpoint_choose(conf, tries->failed);
    tries->signed_at = ngx_time() + conf->skew;
    tries->region_used = *ngx_content_s3_region(conf);
}


ngx_int_t
ngx_content_s3_tries_again(ngx_content_s3_tries_t *tries,
    ngx_content_s3_conf_t *conf, content_retry_answer_t *answer,
    ngx_msec_t *delay)
{
    int64_t                wait;
    content_retry_state_t  state;

    ngx_content_s3_tries_judge(tries, conf, answer);

    ngx_memzero(&state, sizeof(content_retry_state_t));

    state.tries = tries->made;
    state.tries_max = conf->tries;
    state.elapsed = (ngx_msec_int_t) (ngx_current_msec - tries->started);
    state.deadline = conf->retry_timeout;
    state.region = ngx_content_from_ngx(tries->region_used);
    state.signed_at = tries->signed_at;
    state.repeat = tries->repeat;
    state.clocked = tries->clocked;
    state.moved = tries->moved;

    *delay = 0;

    switch (content_retry_decide(&state, answer, (uint32_t) ngx_random(),
                                 &wait))
    {
    case CONTENT_RETRY_WAIT:
        /* another endpoint need not be spared */

        *delay = (tries->failed && conf->nendpoints > 1) ? 0
                                                         : (ngx_msec_t) wait;
        tries->doubtful |= ngx_content_s3_tries_doubtful(state, answer);
        return NGX_AGAIN;

    case CONTENT_RETRY_CLOCK:
        ngx_content_s3_learn_clock(conf, answer->date);
        tries->clocked = 1;
        break;

    case CONTENT_RETRY_REGION:
        if (ngx_content_s3_learn_region(conf, answer->region) != NGX_OK) {
            return NGX_OK;
        }

        tries->moved = 1;
        break;

    default:
        return NGX_OK;
    }

    tries->free = 1;

    return NGX_AGAIN;
}


/* Whether it would not be sent again if it must not be done twice. */

static ngx_uint_t
ngx_content_s3_tries_doubtful(content_retry_state_t state,
    content_retry_answer_t *answer)
{
    int64_t  wait;

    state.repeat = CONTENT_REPEAT_UNDONE;

    return content_retry_decide(&state, answer, 0, &wait) == CONTENT_RETRY_NO;
}


/* What the answer says of the endpoint that was asked. */

static void
ngx_content_s3_tries_judge(ngx_content_s3_tries_t *tries,
    ngx_content_s3_conf_t *conf, content_retry_answer_t *answer)
{
    /* so says a balancer that has nobody behind it */

    if (answer->status == 0 || answer->status == NGX_HTTP_BAD_GATEWAY
        || answer->status == NGX_HTTP_GATEWAY_TIME_OUT)
    {
        ngx_content_s3_endpoint_failed(conf, tries->endpoint);
        tries->failed = tries->endpoint;

    } else {
        ngx_content_s3_endpoint_worked(conf, tries->endpoint);
        tries->failed = NULL;
    }
}


static void
ngx_content_s3_learn_clock(ngx_content_s3_conf_t *conf, int64_t date)
{
    conf->skew = date - ngx_time();

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "content: the clock of S3 at \"%V\" is %L s from ours: "
                  "signing by it", &conf->authority, conf->skew);
}


/*
 * Only the signature changes.  A Location is not followed: who can answer for
 * S3 could send us, and what we upload, anywhere.
 */

static ngx_int_t
ngx_content_s3_learn_region(ngx_content_s3_conf_t *conf, content_str_t region)
{
    size_t  i;

    if (region.len > sizeof(conf->region_text)) {
        return NGX_DECLINED;
    }

    for (i = 0; i < region.len; i++) {
        if (!((region.data[i] >= 'a' && region.data[i] <= 'z')
              || (region.data[i] >= '0' && region.data[i] <= '9')
              || region.data[i] == '-' || region.data[i] == '_'))
        {
            return NGX_DECLINED;
        }
    }

    ngx_memcpy(conf->region_text, region.data, region.len);
    conf->region_told.data = conf->region_text;
    conf->region_told.len = region.len;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "content: S3 at \"%V\" says that bucket \"%V\" is in region "
                  "\"%V\": set \"content_s3_region\", and "
                  "\"content_s3_endpoint\" if that is not there",
                  &conf->authority, &conf->bucket, &conf->region_told);

    return NGX_OK;
}


ngx_str_t *
ngx_content_s3_region(ngx_content_s3_conf_t *conf)
{
    return conf->region_told.len ? &conf->region_told : &conf->region;
}
