# make demo | make test | make test-all | make docs | make pictures | make dist | make setup | make format | make clean
SHELL := /bin/bash
# A pipe fails when what writes into it does.
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
SCENE ?= auto
BIN := .venv/bin
# The virtual environment is made anew when what it is made from has changed.
MADE_FROM := pyproject.toml constraints.txt requirements-picamera2.txt
CONSOLE := robot_node/console
AGENT_PROGRAMS := tests/agent_programs
NPM_VIEWERS := tests/webrtc/npm_viewers
PAGE := $(CONSOLE)/dist/index.html
PAGE_FROM := $(shell find $(CONSOLE)/src $(CONSOLE)/public -type f) $(CONSOLE)/index.html $(CONSOLE)/vite.config.ts $(CONSOLE)/tsconfig.json
# Two things at a time: Python's packages and the page's need nothing of each other, nor do the checks; the longest first.
MAKEFLAGS += --jobs=2
# Each installer's lines stay whole and say whose they are, although two write at once.
PIP_LINES := 2>&1 | sed -u 's/^/pip: /'
NPM_LINES := 2>&1 | sed -u 's/^/npm: /'
CHECKS := check-console check-types docs check-style check-imports

.PHONY: help piper moonshine test-v4l2 setup develop demo test test-all pytest lint docs reference pictures dist upgrade audit format clean test-console firefox $(CHECKS)

help:
	@echo "make demo     a broker and a simulated robot on this machine; SCENE=clip.mp4 chooses what its camera sees"
	@echo "make test     lint, types, import contracts, the documentation, and all tests that are quick"
	@echo "make test-all the same, and what takes long for a reason: a soak, the stranger's walk, leaks, benchmarks"
	@echo "make docs     the documentation as a site: build/docs/index.html"
	@echo "make setup    the virtual environment .venv, the console, and the system packages that the demo needs"
	@echo "make develop  the same, and what tests, documentation and benchmarks need"
	@echo "make reference  the pages in docs/reference, the drawings of docs/wiring.md and docs/motion.md, the picture of the rooms"
	@echo "make pictures   the pictures of the console in docs/images, to be looked at"
	@echo "make dist     a wheel and an sdist in dist/, constraints.txt, the versions that they were tested with, and checksums;"
	@echo "              a bundle for Claude Desktop, and server.json for the MCP registry: RELEASE_URL is where the files will be"
	@echo "make upgrade  the newest versions of all packages; constraints.txt then says which they are"
	@echo "make audit    known vulnerabilities of the packages; needs services that know them"
	@echo "make format   format the code"
	@echo "make clean    remove what make made"

setup: .venv/.ready $(PAGE)

$(CONSOLE)/node_modules/.ready: $(CONSOLE)/package.json $(CONSOLE)/package-lock.json
	@scripts/need node=nodejs npm=npm
	@echo "Installing the packages of the console's page ..."
	@cd $(CONSOLE) && npm install --no-save --loglevel error $(NPM_LINES)
	@touch $@

$(AGENT_PROGRAMS)/node_modules/.ready: $(AGENT_PROGRAMS)/package.json $(AGENT_PROGRAMS)/package-lock.json
	@scripts/need node=nodejs npm=npm
	@echo "Installing the agents' programs that tests use ..."
	@cd $(AGENT_PROGRAMS) && npm install --no-save --loglevel error $(NPM_LINES)
	@touch $@

$(NPM_VIEWERS)/node_modules/.ready: $(NPM_VIEWERS)/package.json $(NPM_VIEWERS)/package-lock.json
	@scripts/need node=nodejs npm=npm
	@echo "Installing the viewers that tests use ..."
	@cd $(NPM_VIEWERS) && npm install --no-save --loglevel error $(NPM_LINES)
	@touch $@

$(PAGE): $(CONSOLE)/node_modules/.ready $(PAGE_FROM)
	@echo "Building the console's page ..."
	@cd $(CONSOLE) && npm run --silent build -- --logLevel error $(NPM_LINES)
	@touch $@

.venv/.ready: pyproject.toml constraints.txt
	@scripts/need mosquitto=mosquitto
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "robot-node needs Python 3.11 or later; PYTHON=... names another one." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/need no-such-command=python3-venv
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing robot-node and its packages into .venv (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[simulation]' $(PIP_LINES)
	@touch $@

# A font of twelve pixels with Chinese letters, GStreamer with WebRTC, a mixer without a sound card: their packages bring
# no command that could be looked for.
develop: .venv/.ready-to-develop $(BIN)/promtool $(PAGE) $(AGENT_PROGRAMS)/node_modules/.ready $(NPM_VIEWERS)/node_modules/.ready
	@ls /usr/share/fonts/X11/misc/wenquanyi_9pt.pcf* >/dev/null 2>&1 || scripts/need no-such-command=xfonts-wqy
	@ls /usr/lib/*/gstreamer-1.0/libgstnice.so >/dev/null 2>&1 || scripts/need no-such-command=gstreamer1.0-nice no-such-command=gstreamer1.0-plugins-good no-such-command=gstreamer1.0-plugins-bad no-such-command=gir1.2-gst-plugins-bad-1.0 no-such-command=python3-gi
	@ls /usr/lib/*/vlc/plugins/demux/libmjpeg_plugin.so >/dev/null 2>&1 || scripts/need no-such-command=vlc-plugin-base
	@scripts/need janus=janus nginx=nginx caddy=caddy wg=wireguard-tools
	@ls /usr/lib/*/alsa-lib/libasound_module_ctl_equal.so >/dev/null 2>&1 || scripts/need no-such-command=libasound2-plugin-equal

.venv/.ready-to-develop: .venv/.ready $(MADE_FROM)
	@scripts/need mosquitto=mosquitto mosquitto_passwd=mosquitto chromium=chromium systemd-analyze=systemd ss=iproute2 espeak-ng=espeak-ng libatomic.so.1=libatomic1 turnserver=coturn mosquitto_sub=mosquitto-clients curl=curl amixer=alsa-utils openssl=openssl git=git faketime=faketime gcc=build-essential ffmpeg=ffmpeg cvlc=vlc-bin gst-launch-1.0=gstreamer1.0-tools
	@echo "Installing the development tools into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[simulation,dev]' $(PIP_LINES)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-picamera2.txt $(PIP_LINES)
	@$(BIN)/python -c 'import sounddevice' 2>/dev/null || scripts/need no-such-command=libportaudio2
	@touch $@

$(BIN)/promtool: | .venv/.ready-to-develop
	@scripts/promtool $(BIN)

demo: setup
	@exec $(BIN)/robot-node demo --scene '$(SCENE)'

lint: $(CHECKS)

check-style: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: develop
	$(BIN)/mypy

check-imports: develop
	$(BIN)/lint-imports --no-cache

# Two programs that read all of the page and its tests, 25 s: again when one of their files has changed.
check-console: build/.console-checked

build/.console-checked: $(shell find $(CONSOLE) -name node_modules -prune -o -name dist -prune -o -type f -print) | develop
	cd $(CONSOLE) && npm run --silent lint
	@mkdir -p $(@D) && touch $@

test-console: develop
	cd $(CONSOLE) && ROBOT_NODE='$(CURDIR)/$(BIN)/robot-node' npm run --silent test

# A link or an image that leads nowhere and a page without a place in the navigation are errors. All pages are read
# anew each time: those that have not changed would keep silent about theirs.
docs: develop
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env -d build/doctrees docs build/docs
	@echo "The documentation is in build/docs/index.html"

# The tests wait more than they compute: six at once keep two cores busy, with the checks beside them.
PYTEST := $(BIN)/python -m pytest --numprocesses 6 --dist worksteal
# A test run starts hundreds of processes: without bytecode, each would compile all of robot_node.
test test-all: export PYTHONDONTWRITEBYTECODE :=

test: pytest $(CHECKS) test-console

pytest: develop
	$(PYTEST) -m 'not slow'

# A camera of this machine by V4L2, which no other test touches; docs/cameras.md.
test-v4l2: develop
	$(BIN)/python -m tests.devices.camera.v4l2_through_kernel $(or $(DEVICE),/dev/video0)

# A browser of 280 MB, for tests that only test-all runs.
firefox: develop
	@scripts/need firefox-esr=firefox-esr

# A speech program and a voice of 90 MB, likewise.
piper: build/piper/.ready

build/piper/.ready: requirements-piper.txt
	@$(PYTHON) -m venv build/piper
	@build/piper/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-piper.txt $(PIP_LINES)
	@touch $@

# A model of 44 MB that recognises English, likewise; the recipe of docs/hearing.md.
moonshine: build/moonshine/.ready

build/moonshine/.ready: requirements-moonshine.txt | .venv/.ready
	@rm -rf $(@D)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D) --requirement requirements-moonshine.txt $(PIP_LINES)
	@touch $@

test-all: $(CHECKS) test-console firefox piper moonshine
	$(PYTEST)

# With a font that has Chinese: those of bitmaps are not for browsers.
pictures: develop
	@ls /usr/share/fonts/truetype/droid/DroidSansFallback*.ttf >/dev/null 2>&1 || scripts/need no-such-command=fonts-droid-fallback
	UPDATE_PICTURES=1 $(BIN)/python -m pytest --numprocesses 0 tests/console/test_pictures.py

reference: develop
	$(BIN)/python -m scripts.reference
	$(BIN)/python -m scripts.wiring
	$(BIN)/python -m scripts.rooms
	$(BIN)/python -m scripts.motion_zones
	$(BIN)/python -m scripts.camera_controls

dist: develop
	@rm -rf dist && mkdir -p build
	$(BIN)/python -m build --no-isolation
	@cp constraints.txt dist/
	@$(BIN)/python -m scripts.bundles dist $(RELEASE_URL)
	@$(BIN)/python -m scripts.release_notes > build/release-notes.md
	@cd dist && sha256sum -- * > SHA256SUMS  # last: of all that is there

upgrade: develop
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable '.[simulation,dev]'
	$(BIN)/python -m scripts.constraints

# In an environment of its own: it audits ours.
audit: develop
	@test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && build/audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'; }
	@$(BIN)/python -m scripts.audit

format: develop
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv dist build $(CONSOLE)/dist $(CONSOLE)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
