#!/bin/sh
# need.sh PACKAGE: make sure that a program of the tests is there, or say in one line what to install.
set -e
case "$1" in
  chromium) command -v chromium >/dev/null && exit 0 ;;
  postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0 ;;
  python3-venv) python3 -c "import ensurepip" 2>/dev/null && exit 0 ;;
esac
if [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null && exit 0
elif sudo -n true 2>/dev/null; then
  sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null && exit 0
fi
echo "$1 is needed: sudo apt-get install $1" >&2
exit 1
