# npm's logs.
#
# yes npm-state root/.npm/_logs/*.log
# no npm-state app/package.json
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends npm
RUN mkdir -p /app && cd /app && npm init -y && npm ls; true
