# What holds the day. The second build's day is the next one, by libfaketime, since a fixture cannot wait that long.
#
# yes shadow-date etc/shadow
# yes build-date etc/build-info
# no build-date usr/lib/os-release
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends faketime
ARG N
RUN faketime -f "+$((N - 1))d" useradd app && faketime -f "+$((N - 1))d" date -u '+built on %F' >/etc/build-info
