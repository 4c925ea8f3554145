/*
 * Credentials for S3: what files and servers say them in, and when temporary
 * ones are to be fetched again.
 *
 * The documents: the shared credentials file, and the answers of the EC2
 * instance metadata service, of the container endpoint of ECS and EKS, and of
 * AssumeRoleWithWebIdentity (AWS SDKs and Tools Reference Guide, "Standardized
 * credential providers"; AWS STS API Reference).  Each reader fills a
 * content_credentials_t that has been wiped before, and leaves it wiped when
 * it fails.  What jansson and expat allocate inside a call is freed, but not
 * wiped.
 */

#ifndef CONTENT_CREDENTIALS_H
#define CONTENT_CREDENTIALS_H

#include "lib/content_sigv4.h"
#include "lib/content_str.h"


#define CONTENT_CREDENTIALS_ACCESS_MAX  128
#define CONTENT_CREDENTIALS_SECRET_MAX  252    /* content_sigv4_sign()'s */
#define CONTENT_CREDENTIALS_TOKEN_MAX   8192   /* S3 takes no longer header */
#define CONTENT_CREDENTIALS_CODE_MAX    64

#define CONTENT_CREDENTIALS_SIZE                                             \
    (CONTENT_CREDENTIALS_ACCESS_MAX + CONTENT_CREDENTIALS_SECRET_MAX         \
     + CONTENT_CREDENTIALS_TOKEN_MAX)


/* The keys are slices of buf: not to be copied. */

typedef struct {
    content_sigv4_credentials_t  keys;
    int64_t                      expires;      /* seconds since 1970; 0:
                                                  never */
    size_t                       used;
    unsigned char                buf[CONTENT_CREDENTIALS_SIZE];
} content_credentials_t;


void content_credentials_wipe(content_credentials_t *c);

/* Whether there are any that have not expired. */
int content_credentials_usable(const content_credentials_t *c, int64_t now);

/*
 * Takes copies.  A value that is too long, or has bytes that do not belong
 * into a header (white space, controls, no ASCII), or an empty key, is
 * CONTENT_ERROR; an empty token is none.
 */
int content_credentials_set(content_credentials_t *c,
    const content_sigv4_credentials_t *keys);

/*
 * The profile of that name, from [NAME] or [profile NAME], of a shared
 * credentials file.  Returns CONTENT_OK, or CONTENT_ERROR: there is no such
 * profile, or no valid keys in it.
 */
int content_credentials_profile(content_credentials_t *c, content_str_t text,
    content_str_t name);

/*
 * The JSON of the instance metadata service and of container endpoints, and
 * the XML of AssumeRoleWithWebIdentity, of any status.  For an error, or
 * credentials without a time of expiry, CONTENT_ERROR, with the error's code
 * in code, if it has one: letters, digits and "-._:" only, cut to
 * CONTENT_CREDENTIALS_CODE_MAX bytes.  Its message may quote what was sent
 * and is not for logs.
 */
int content_credentials_json(content_credentials_t *c, content_str_t body,
    content_out_t *code);
int content_credentials_xml(content_credentials_t *c, content_str_t body,
    content_out_t *code);

/*
 * The first role of the answer to GET .../iam/security-credentials/, as a
 * slice of body.  CONTENT_ERROR: there is none, or its name is no role's.
 */
int content_credentials_role(content_str_t body, content_str_t *role);

/*
 * The form that asks AssumeRoleWithWebIdentity (AWS STS API Reference, version
 * 2011-06-15): at most 3 bytes for each of the arguments', and
 * CONTENT_CREDENTIALS_FORM.
 */
#define CONTENT_CREDENTIALS_FORM  128

void content_credentials_form(content_out_t *out, content_str_t role,
    content_str_t session, content_str_t token);

/*
 * Whether a container's credentials may be asked for at that URL: https, or
 * http at a loopback address (127.0.0.0/8, [::1], localhost) or those of the
 * agents of ECS and EKS (AWS SDKs and Tools Reference Guide, "Container
 * credential provider").
 */
int content_credentials_url_is_trusted(content_str_t url);


/*
 * When to fetch anew, in milliseconds from now; random is any number, so that
 * many do not ask at once.
 *
 * refresh: a fifth of the life before its end, at least 5 minutes, at most
 * half the life.  5 minutes is when EC2 has the next ones ready at the
 * latest; whoever gets the same ones again asks after half of what remains.
 *
 * retry: after failures (1, 2, ...) in a row, from 1 to 30 seconds.
 */
int64_t content_credentials_refresh(int64_t expires, int64_t now,
    uint32_t random);
int64_t content_credentials_retry(unsigned failures, uint32_t random);


#endif
