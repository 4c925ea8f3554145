# ngx_content on Debian 13's nginx.  Settings: scripts/docker-entrypoint.sh.
# `make check-trixie` goes through the same steps without Docker.

FROM debian:trixie AS build

WORKDIR /src
COPY scripts/install-packages.sh scripts/
RUN scripts/install-packages.sh build

COPY config Makefile ngx_content_module.c ./
COPY src src
COPY scripts/build-module.sh scripts/
RUN scripts/build-module.sh release \
 && strip --strip-debug build/release/ngx_content_module.so


FROM debian:trixie

COPY scripts/install-packages.sh /tmp/
RUN /tmp/install-packages.sh image \
 && rm -rf /tmp/install-packages.sh /var/lib/apt/lists/* \
 && install -d -o www-data -g www-data /run/content /var/lib/content

COPY --from=build /src/build/release/ngx_content_module.so \
     /usr/lib/nginx/modules/
COPY scripts/render.sh scripts/docker-entrypoint.sh conf/docker.conf.template \
     /usr/share/ngx_content/

USER www-data
EXPOSE 8080
VOLUME /var/lib/content

# nginx ends gracefully: requests that have begun are finished.
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/usr/share/ngx_content/docker-entrypoint.sh"]
