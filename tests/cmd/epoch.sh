#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `eifgen epoch` over real git repositories: the answer is held against `git log`, in work trees, worktrees, submodules,
# bare and shallow clones, and in the cases where it must refuse.
. tests/lib.sh

export HOME=$TEST_TMP/home GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
mkdir "$HOME"
git config --global init.defaultBranch main
git config --global protocol.file.allow always
cd "$TEST_TMP" || exit 1

# commit REPO TIME MESSAGE: commits all that is there at that committer time (the author's is another).
commit() {
	git -C "$1" add -A
	GIT_AUTHOR_DATE="1111111111 +0100" GIT_COMMITTER_DATE="$2 +0530" git -C "$1" commit -q --allow-empty -m "$3"
}
field() { jq -r ".$1" "$TEST_TMP/out"; }
# is NAME EPOCH [SOURCE]: the last answer.
is() { t "$1" test "$(field Epoch) $(field Source)" = "$2 ${3:-git}"; }

git init -q r
mkdir -p r/dir/sub
echo 1 >r/file; echo 1 >r/dir/a; echo 1 >r/dir/sub/b
commit r 1600000000 one
echo 2 >r/dir/a; commit r 1600000100 two
echo 2 >r/file; commit r 1600000200 three

t_exit 0 "epoch of a repository" eifgen epoch r
is "HEAD's committer time" 1600000200
t "the commit is named" test "$(field Commit)" = "$(git -C r rev-parse HEAD)"
t "a clean tree is clean" test "$(field Dirty)" = false
t "the time as text" test "$(field Time)" = 2020-09-13T12:30:00Z
t_exit 0 "epoch of a directory in a repository is HEAD's" eifgen epoch r/dir/sub
is "HEAD's time again" 1600000200
t_exit 0 "epoch by path" eifgen epoch r --path dir
is "the last commit that touched the directory" 1600000100
t "path and directory are named" test "$(field Directory) $(field Path)" = "r dir"
t_exit 0 "a path is relative to DIR" eifgen epoch r/dir --path sub/b
is "the file's only commit" 1600000000
t_exit 0 "a path may climb inside the tree" eifgen epoch r/dir/sub --path ../../file
is "the file's last commit" 1600000200
t_exit 0 "an absolute path" eifgen epoch r --path "$PWD/r/dir/a"
is "its last commit" 1600000100
t_exit 0 "--epoch git:DIR:PATH" eifgen epoch --epoch git:r:dir/sub
is "the directory's last commit" 1600000000
cd r || exit 1
t_exit 0 "--epoch git" eifgen epoch --epoch git
is "HEAD of the current directory" 1600000200
t_exit 0 "no DIR is the current directory" eifgen epoch
is "HEAD of the current directory" 1600000200
cd ..

t_exit 2 "a path that leaves the tree" eifgen epoch r --path ../../x
t_says "… says so" "leaves the repository"
t_exit 2 "a path that HEAD lacks" eifgen epoch r --path nothing
t_says "… says so" "not in HEAD"
t_exit 2 "an absolute path elsewhere" eifgen epoch r --path /etc
t_says "… says so" "not below the work tree"
mkdir plain
t_exit 2 "a directory in no repository" eifgen epoch plain
t_says "… says so" "no git repository"
t_exit 2 "a directory that is not there" eifgen epoch missing
t_exit 2 "two directories" eifgen epoch r plain
t_exit 2 "--epoch image has no image here" eifgen epoch --epoch image
t_exit 2 "--epoch beside DIR" eifgen epoch r --epoch 1
git init -q empty
t_exit 2 "a repository without a commit" eifgen epoch empty
t_says "… says so" "no commit yet"

# ---- order of sources ----------------------------------------------------------------------------------------------
t_exit 0 "SOURCE_DATE_EPOCH" env SOURCE_DATE_EPOCH=1234567890 "$EIFGEN_BIN/eifgen" epoch r
is "wins over git" 1234567890 SOURCE_DATE_EPOCH
t_exit 0 "--epoch" env SOURCE_DATE_EPOCH=1234567890 "$EIFGEN_BIN/eifgen" epoch --epoch 42
is "wins over SOURCE_DATE_EPOCH" 42 number
t "without git there is no commit" test "$(field Commit) $(field Dirty)" = "null null"
cd plain || exit 1
t_exit 0 "no repository, no DIR" eifgen epoch
is "is 1980" 315532801 default
cd ..
for bad in "" x -1 4294967296 " 1" 1.5; do
	t_exit 2 "SOURCE_DATE_EPOCH='$bad' is refused" env SOURCE_DATE_EPOCH="$bad" "$EIFGEN_BIN/eifgen" epoch r
	t_exit 2 "--epoch '$bad' is refused" eifgen epoch --epoch "$bad"
done
t_exit 2 "an epoch of many digits" eifgen epoch --epoch 315532801000000000
t_says "is shown whole" "time \"315532801000000000\" is after 2106"

# ---- a dirty tree --------------------------------------------------------------------------------------------------
# dirty NAME PATH WANT
dirty() { t_exit 0 "$1" eifgen epoch r --path "$2"; t "… is $3" test "$(field Dirty)" = "$3"; }
echo '*.o' >r/.gitignore; commit r 1600000300 ignore
touch r/x.o
dirty "an ignored file" . false
echo 3 >r/file
t_exit 0 "a changed file" eifgen epoch r
t "… is dirty" test "$(field Dirty)" = true
t_says "… and warned of" "eifgen: warning: the work tree differs from HEAD"
t_exit 0 "… unless quiet" eifgen epoch -q r
t "… which says nothing" test ! -s "$TEST_TMP/err"
dirty "a change elsewhere" dir false
git -C r add file
dirty "a staged change" file true
git -C r reset -q --hard
echo new >r/dir/new
dirty "an untracked file below the path" dir true
dirty "an untracked file beside the path" file false
rm r/dir/new r/dir/a
dirty "a removed file" dir true
git -C r reset -q --hard
touch "r/star*"; mkdir "r/d[x]"; echo 1 >"r/d[x]/f"; commit r 1600000400 names
echo 2 >"r/d[x]/f"
dirty "a path is no pattern" "star*" false
dirty "a path with brackets" "d[x]" true
git -C r reset -q --hard

# ---- other shapes of a repository ----------------------------------------------------------------------------------
head=$(git -C r log -1 --format=%ct)
git -C r worktree add -q ../wt HEAD~1
t_exit 0 "a worktree" eifgen epoch wt
is "has its own HEAD" 1600000300
t_exit 0 "a worktree by path" eifgen epoch wt --path dir/a
is "has the same history" 1600000100
mkdir lost; echo "gitdir: $PWD/gone/.git/worktrees/lost" >lost/.git
t_exit 2 "a worktree whose repository is not there" bash -c 'cd lost && "$1" epoch' - "$EIFGEN_BIN/eifgen"
t_says "is no place without git" "gone/.git/worktrees/lost"
git clone -q --bare r bare.git
t_exit 0 "a bare repository" eifgen epoch bare.git
is "gives its HEAD" "$head"
t "… and is never dirty" test "$(field Dirty)" = false
t_exit 0 "a bare repository by path" eifgen epoch bare.git --path dir/a
is "counts paths from the root" 1600000100
git init -q super
git -C super submodule --quiet add "$PWD/r" mod
commit super 1650000000 super
t_exit 0 "a submodule" eifgen epoch super/mod
is "gives its own HEAD" "$head"
t_exit 0 "the superproject by the submodule's path" eifgen epoch super --path mod
is "gives the commit that set it" 1650000000
git -C r checkout -q --detach HEAD~2
t_exit 0 "a detached HEAD" eifgen epoch r
is "gives that commit" 1600000200
git -C r checkout -q main
t_exit 0 "GIT_DIR in the environment" env GIT_DIR="$PWD/super/.git" "$EIFGEN_BIN/eifgen" epoch r
is "changes nothing" "$head"

git clone -q --depth 3 "file://$PWD/r" shallow
t_exit 0 "a shallow clone" eifgen epoch shallow
is "knows HEAD" "$head"
t_exit 0 "a shallow clone by a path changed above its edge" eifgen epoch shallow --path .gitignore
is "knows the commit" 1600000300
t_exit 2 "a shallow clone by a path unchanged up to its edge" eifgen epoch shallow --path dir/sub
t_says "… says so" "shallow"
t_says "… and what helps" "git fetch --unshallow"
git -C shallow fetch -q --unshallow
t_exit 0 "… after which it works" eifgen epoch shallow --path dir/sub
is "as in a full clone" 1600000000

git -C r config uploadpack.allowFilter true
git clone -q --filter=blob:none --no-checkout "file://$PWD/r" partial
t "a partial clone was made" git -C partial config remote.origin.promisor
git -C partial config extensions.partialclone origin # as git before 2.25 marks them
t_exit 0 "a partial clone by path" eifgen epoch partial --path dir/sub
is "needs no blobs" 1600000000

git -C r worktree add -q ../sparse HEAD
git -C sparse sparse-checkout set dir >/dev/null 2>&1
t "a sparse worktree was made" git -C r config extensions.worktreeConfig
t_exit 0 "a sparse worktree" eifgen epoch sparse --path dir
is "has the whole history" 1600000100

if git init -q --object-format=sha256 sha256 2>/dev/null; then
	commit sha256 1600000000 x
	t_exit 2 "a SHA-256 repository" eifgen epoch sha256
	t_says "… says why" "SHA-256 object format"
	t_exit 2 "a SHA-256 repository where one stands" env -C sha256 "$EIFGEN_BIN/eifgen" epoch
else
	t_skip "a SHA-256 repository" "this git makes none"
fi

if [ "$(id -u)" -eq 0 ]; then
	cp -a r "$TEST_TMP/other's"; chown -R 65534 "other's"
	t_exit 2 "another user's repository" eifgen epoch "other's"
	t_says "… says how to allow it" "git config --global --add safe.directory \"$PWD/other's\""
	git config --global --add safe.directory /elsewhere
	t_exit 2 "another user's repository, others allowed" eifgen epoch "other's"
	t_says "… says how to allow it" "safe.directory"
	git config --global --add safe.directory "$PWD/other's"
	t_exit 0 "… and that works" eifgen epoch "other's"
	is "as the owner's" "$head"
else
	t_skip "another user's repository" "only root can make one"
fi

# ---- times that no ramdisk holds -----------------------------------------------------------------------------------
# raw_commit NAME TIME: a repository whose HEAD says that time, whatever git thinks of it.
raw_commit() {
	git init -q "$1"
	printf 'tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> %s +0000\n\nx\n' "$(git -C "$1" mktree </dev/null)" "$2" |
		git -C "$1" hash-object -t commit -w --stdin --literally | xargs git -C "$1" update-ref refs/heads/main
}
raw_commit t0 0; raw_commit tmax 4294967295; raw_commit tpast 4294967296; raw_commit tneg -5
t_exit 0 "a commit of 1970" eifgen epoch t0
is "is taken" 0
t_exit 0 "a commit of 2106" eifgen epoch tmax
is "is taken" 4294967295
t_exit 2 "a commit after 2106" eifgen epoch tpast
t_says "… says so" "after 2106"
t_exit 2 "a commit before 1970" eifgen epoch tneg
t_says "… says so" "before 1970"

# ---- merges: the answer is git's, over a history made at random (with a fixed seed) -----------------------------------
git init -q m
RANDOM=7
for i in $(seq 40); do
	if [ $((i % 4)) -eq 0 ] && [ "$(git -C m branch --list side)" ]; then
		GIT_COMMITTER_DATE="$((1700000000 - i * 10)) +0000" git -C m merge -q -X ours -m "merge $i" side >/dev/null 2>&1 ||
			git -C m merge --abort
		git -C m branch -qD side
	fi
	[ $((i % 3)) -eq 0 ] && git -C m branch -qf side && side=1 || side=0
	echo "$i $((RANDOM % 3))" >"m/f$((RANDOM % 6))"; commit m $((1700000000 + (RANDOM % 100) * 10)) "$i"
	if [ "$side" = 1 ]; then
		git -C m checkout -q side
		mkdir -p m/d; echo "$((RANDOM % 2))" >"m/d/g$((RANDOM % 3))"; echo "$i" >"m/f$((RANDOM % 6))"
		commit m $((1700000000 + (RANDOM % 100) * 10)) "side $i"
		git -C m checkout -q main
	fi
done
t "the random history has merges" test "$(git -C m log --merges --format=%h | wc -l)" -ge 3
for p in f0 f1 f2 f3 f4 f5 d d/g0 d/g1 d/g2 .; do
	[ -e "m/$p" ] || continue
	want=$(git -C m log -1 --format='%ct %H' -- "$p")
	t "git agrees about $p" test "$(eifgen epoch m --path "$p" | jq -r '"\(.Epoch) \(.Commit)"')" = "$want"
done
t_done
