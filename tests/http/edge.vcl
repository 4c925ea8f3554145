# The CDN's edge in the tests: Varnish 7.1 with vmod xkey, which keeps and
# drops objects as Cloudflare does.  tests/http/edge.py fills in the backend;
# tests/fakes/cloudflare.py sends the PURGE requests.
#
# It behaves like a zone with a rule that makes everything eligible for the
# cache (Cloudflare's default leaves HTML and JSON out).
#
# X-Edge-Cache tells a test what happened:
#   HIT          from the cache, fresh
#   UPDATING     from the cache, stale, refreshed in the background
#   REVALIDATED  stale; the origin said 304
#   EXPIRED      stale; the origin sent a new response
#   MISS         nothing in the cache
#   BYPASS       neither looked up nor kept
#
# PURGE, from this machine only:
#   X-Purge-Key: all | tag:T | host:H | prefix:H/PATH   (an xkey)
#   without it: the object of this URL, Host, X-Forwarded-Proto and Origin
#   X-Purge-Mode: hard (drop) | soft (make stale)
#   The answer's X-Purged is the number of objects.

vcl 4.1;

import purge;
import std;
import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "@BACKEND_PORT@";
    .first_byte_timeout = 100s;
}

acl purgers {
    "127.0.0.1";
}


sub vcl_recv {
    set req.http.host = req.http.host.lower();

    # Visitors speak https; the listener here is plain.
    if (!req.http.X-Forwarded-Proto) {
        set req.http.X-Forwarded-Proto = "https";
    }

    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(405));
        }
        if (req.http.X-Purge-Key && req.http.X-Purge-Mode == "soft") {
            set req.http.X-Purged = xkey.softpurge(req.http.X-Purge-Key);
            return (synth(200));
        }
        if (req.http.X-Purge-Key) {
            set req.http.X-Purged = xkey.purge(req.http.X-Purge-Key);
            return (synth(200));
        }
        # Else the purge would wait for a fetch of the same URL to end.
        set req.hash_ignore_busy = true;
        return (hash);
    }

    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.http.Authorization) {
        return (pass);
    }
    return (hash);
}


# Cloudflare's default cache key.
sub vcl_hash {
    hash_data(req.http.X-Forwarded-Proto + "://" + req.http.host + req.url);
    hash_data("|" + req.http.Origin
              + "|" + req.http.X-Forwarded-Host
              + "|" + req.http.X-Host
              + "|" + req.http.X-Forwarded-Scheme
              + "|" + req.http.X-Original-URL
              + "|" + req.http.X-Rewrite-URL
              + "|" + req.http.Forwarded);
    return (lookup);
}


sub purge_url {
    if (req.http.X-Purge-Mode == "soft") {
        set req.http.X-Purged = purge.soft(0s);
    } else {
        set req.http.X-Purged = purge.hard();
    }
    return (synth(200));
}


sub vcl_hit {
    if (req.method == "PURGE") {
        call purge_url;
    }
}


sub vcl_miss {
    if (req.method == "PURGE") {
        call purge_url;
    }
}


sub vcl_synth {
    if (req.method == "PURGE") {
        set resp.http.X-Purged = req.http.X-Purged;
        return (deliver);
    }
}


# The CDN's own header before Cache-Control, which a Surrogate-Control, even
# an empty one, makes it ignore.
sub find_policy {
    unset beresp.http.X-Edge-Policy;
    if (beresp.http.Cloudflare-CDN-Cache-Control) {
        set beresp.http.X-Edge-Policy =
            beresp.http.Cloudflare-CDN-Cache-Control;
    } elseif (beresp.http.CDN-Cache-Control) {
        set beresp.http.X-Edge-Policy = beresp.http.CDN-Cache-Control;
    } elseif (!beresp.http.Surrogate-Control) {
        set beresp.http.X-Edge-Policy = beresp.http.Cache-Control;
    }
}


sub apply_policy {
    set beresp.grace = 0s;
    set beresp.keep = 1d;               # what a 304 can revive

    if (beresp.http.X-Edge-Policy ~ "(?i)\bno-cache\b") {
        set beresp.ttl = 0s;
    } elseif (beresp.http.X-Edge-Policy ~ "(?i)\bs-maxage=\d") {
        set beresp.ttl = std.duration(regsub(beresp.http.X-Edge-Policy,
            "(?i)^.*\bs-maxage=(\d+).*$", "\1") + "s", 0s);
    } elseif (beresp.http.X-Edge-Policy ~ "(?i)\bmax-age=\d") {
        set beresp.ttl = std.duration(regsub(beresp.http.X-Edge-Policy,
            "(?i)^.*\bmax-age=(\d+).*$", "\1") + "s", 0s);
    } elseif (beresp.status == 200 || beresp.status == 301) {
        set beresp.ttl = 120m;
    } elseif (beresp.status == 404 || beresp.status == 410) {
        set beresp.ttl = 3m;
    } else {
        set beresp.uncacheable = true;
    }

    # Varnish never revalidates what had no lifetime at all.
    if (beresp.ttl <= 0s) {
        set beresp.ttl = 0.001ms;
    }

    # These switch stale-while-revalidate off.
    if (beresp.http.X-Edge-Policy ~ "(?i)\bstale-while-revalidate=\d"
        && beresp.http.X-Edge-Policy
           !~ "(?i)\b(s-maxage|must-revalidate|proxy-revalidate|no-cache)\b")
    {
        set beresp.grace = std.duration(regsub(beresp.http.X-Edge-Policy,
            "(?i)^.*\bstale-while-revalidate=(\d+).*$", "\1") + "s", 0s);
    }
}


# VCL has no loops: each of these quadruples the steps.  Every step cuts one
# segment or slash off the path and files the object under the rest, so that
# prefixes match whole segments.  A prefix has at most 31 separators, hence
# 64 steps will do.
sub up1 {
    if (beresp.http.X-Edge-Path ~ "/") {
        set beresp.http.X-Edge-Path =
            regsub(beresp.http.X-Edge-Path, "([^/]+|/)$", "");
        set beresp.http.xkey =
            beresp.http.xkey + " prefix:" + beresp.http.X-Edge-Path;
    }
}
sub up4 {
    call up1;
    call up1;
    call up1;
    call up1;
}
sub up16 {
    call up4;
    call up4;
    call up4;
    call up4;
}
sub up64 {
    call up16;
    call up16;
    call up16;
    call up16;
}


# The keys by which the object can be purged.  xkey splits at spaces and
# commas, hence the %2C.
sub file_under_keys {
    set beresp.http.X-Edge-Path =
        regsub(bereq.http.host, ":\d+$", "")
        + regsuball(regsub(bereq.url, "\?.*$", ""), ",", "%2C");
    set beresp.http.X-Edge-Path = regsub(beresp.http.X-Edge-Path,
        "^((?:[^/]*/){31}[^/]*).*$", "\1");

    set beresp.http.xkey =
        "all host:" + regsub(beresp.http.X-Edge-Path, "/.*$", "")
        + " prefix:" + beresp.http.X-Edge-Path;
    call up64;

    if (beresp.http.Cache-Tag) {
        std.collect(beresp.http.Cache-Tag);
        set beresp.http.xkey = beresp.http.xkey + " tag:"
            + regsuball(regsuball(beresp.http.Cache-Tag.lower(), "\s", ""),
                        ",+", " tag:");
    }
    unset beresp.http.X-Edge-Path;
}


sub vcl_backend_response {
    call find_policy;

    if (bereq.uncacheable || beresp.http.Set-Cookie
        || beresp.http.X-Edge-Policy ~ "(?i)\b(no-store|private)\b")
    {
        set beresp.uncacheable = true;
    } else {
        call apply_policy;
        call file_under_keys;
    }

    if (beresp.uncacheable) {
        set beresp.ttl = 120s;          # hit-for-miss, as in the builtin VCL
        set beresp.http.X-Edge-Fill = "BYPASS";
    } elseif (beresp.was_304) {
        set beresp.http.X-Edge-Fill = "REVALIDATED";
    } elseif (bereq.http.If-None-Match || bereq.http.If-Modified-Since) {
        set beresp.http.X-Edge-Fill = "EXPIRED";
    } else {
        set beresp.http.X-Edge-Fill = "MISS";
    }
    return (deliver);
}


sub vcl_deliver {
    if (obj.hits > 0 && obj.ttl > 0s) {
        set resp.http.X-Edge-Cache = "HIT";
    } elseif (obj.hits > 0) {
        set resp.http.X-Edge-Cache = "UPDATING";
    } else {
        set resp.http.X-Edge-Cache = resp.http.X-Edge-Fill;
    }
    unset resp.http.X-Edge-Fill;
    unset resp.http.X-Edge-Policy;
    unset resp.http.xkey;

    # For the CDN's eyes only.  CDN-Cache-Control goes on (RFC 9213).
    unset resp.http.Cache-Tag;
    unset resp.http.Cloudflare-CDN-Cache-Control;
}
