# What compilers, archivers, Python, git and editors leave behind when the image itself is where things are built.
#
# yes pyc-stamp usr/local/lib/python3.11/dist-packages/hello/__pycache__/__init__.cpython-311.pyc
# no pyc-stamp srv/hashed/__pycache__/__init__.cpython-311.pyc
# yes pip-record usr/local/lib/python3.11/dist-packages/hello-1.dist-info/direct_url.json
# no pip-record usr/local/lib/python3.11/dist-packages/hello-1.dist-info/METADATA
# yes git-dir srv/app/.git/index
# yes git-dir srv/app/.git/logs/HEAD
# no git-dir srv/app/.gitignore
# yes user-cache root/.cache/ccache/?/?/*
# no user-cache root/.config/pip/pip.conf
# yes history root/.bash_history
# no history root/.bashrc
# yes tmp-leftover tmp/tmp.*
# no tmp-leftover usr/bin/mktemp
# yes editor-leftover srv/.notes.swp
# no editor-leftover srv/notes
# yes coverage-data srv/cov/*.gcda
# no coverage-data srv/cov/a.c
# yes build-log srv/ninja/.ninja_log
# no build-log srv/ninja/build.ninja
# yes zip-times srv/now.zip
# no zip-times srv/fixed.zip
# yes ar-times srv/now.a
# no ar-times srv/fixed.a
# yes gzip-time srv/now.gz
# no gzip-time srv/fixed.gz
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev binutils \
	python3 python3-pip python3-setuptools python3-wheel git ninja-build ccache vim-tiny
RUN mkdir -p /srv/app/hello && cd /srv/app && echo 'def hi(): return "hello"' >hello/__init__.py && echo '*.o' >.gitignore && \
	echo 'from setuptools import setup; setup(name="hello", version="1", packages=["hello"])' >setup.py && \
	git init -q . && git add . && git -c user.name=a -c user.email=a@example.com commit -qm first
# A source directory of a random name, as CI has it.
RUN src=$(mktemp -d /root/src.XXXXXX) && cp -r /srv/app "$src" && rm -rf "$src/app/.git" && \
	pip install -q --break-system-packages --no-build-isolation --no-index --no-deps "$src/app" && \
	pip config --user set global.no-color true
RUN cp -r /srv/app/hello /srv/hashed && python3 -m compileall -q --invalidation-mode unchecked-hash /srv/hashed
RUN mkdir /srv/cov /srv/ninja && cd /srv/cov && echo 'int main(void) { return 0; }' >a.c && gcc --coverage a.c -o a && ./a && \
	ccache gcc -c a.c -o b.o && cd ../ninja && printf 'rule cp\n  command = cp $in $out\nbuild out: cp ../cov/a.c\n' >build.ninja && \
	ninja -d explain
RUN cd /srv && ar rcU now.a cov/b.o && ar rcsD fixed.a cov/b.o && cp cov/a.c a.c && gzip -k a.c && mv a.c.gz now.gz && \
	gzip -nk a.c && mv a.c.gz fixed.gz && python3 -m zipfile -c now.zip a.c && \
	python3 -c 'import zipfile; zipfile.ZipFile("fixed.zip", "w").writestr(zipfile.ZipInfo("a.c"), open("a.c").read())'
RUN HISTTIMEFORMAT='%F %T ' bash -ic 'history -s "make install"; history -w ~/.bash_history'; date >"$(mktemp)"
# An editor that was killed with a changed file open.
RUN echo draft >/srv/notes; (printf 'a\nmore\n.\npreserve\n'; sleep 3) | vi -es /srv/notes & sleep 2; kill -9 $!
