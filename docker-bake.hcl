# Every image of the project: four variants for each build of torch. Which cards and drivers a CUDA build serves stands in
# config/cuda.json, which the tests hold this file to; docs/BUILD_VARIANTS.md shows it.
#   docker buildx bake --print                          what there is
#   docker buildx bake standard-12-8                    one image
#   docker buildx bake cpu                              the four variants without a GPU
#   IMAGE=ghcr.io/me/comfyui docker buildx bake full    the full variant for every CUDA, under your name
# Each variable below is also an environment variable.

variable "IMAGE" { default = "hearth/comfyui" }

# Part of the tags and labels of a release; "local" makes plain tags only.
variable "VERSION" { default = "local" }
variable "REVISION" { default = "" }
variable "CREATED" { default = "" }

# torch's wheels bring every CUDA library that they load, so no CUDA base is needed. Those who compile CUDA code in the
# image set, for 3 to 8 GB more, nvidia/cuda: 12.4.1-devel-ubuntu22.04, 12.6.3-, 12.8.1- or 12.9.1-devel-ubuntu24.04,
# 13.0.3-cudnn-devel-ubuntu24.04.
variable "BASE_IMAGE" { default = "debian:bookworm-slim" }

# What torch is: empty takes it from TORCH, "none" leaves it out.
variable "TORCH_SPEC" { default = "" }

# "npm" builds code-server for the dev variant, "none" leaves it out (105 s and 700 MB less).
variable "CODE_SERVER" { default = "npm" }

# Folders that stand for what would be fetched; see the head of the Dockerfile.
variable "COMFYUI_SRC" { default = "" }
variable "NODES_STANDARD" { default = "" }
variable "NODES_FULL" { default = "" }
variable "LOCKS" { default = "" }
variable "WHEELS" { default = "" }
variable "FRONTEND" { default = "" }

# A release carries a bill of materials and its provenance, which the plain docker driver cannot write.
variable "RELEASE" { default = false }

# The index of the wheels, and the newest torch there that has a torchaudio beside it. torch ended CUDA 12.4 with 2.6 and never
# had 12.5; both run on any CUDA 12 driver.
variable "TORCH" {
  default = {
    "13-0"     = { wheels = "cu130", spec = "torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0" }
    "12-9"     = { wheels = "cu129", spec = "torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0" }
    "12-8"     = { wheels = "cu128", spec = "torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0" }
    "12-6"     = { wheels = "cu126", spec = "torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0" }
    "12-5"     = { wheels = "cu124", spec = "torch==2.6.0 torchvision==0.21.0 torchaudio==2.6.0" }
    "12-4"     = { wheels = "cu124", spec = "torch==2.6.0 torchvision==0.21.0 torchaudio==2.6.0" }
    "rocm-6-4" = { wheels = "rocm6.4", spec = "torch==2.9.1 torchvision==0.24.1 torchaudio==2.9.1" }
    "cpu"      = { wheels = "cpu", spec = "torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0" }
  }
}

variable "VARIANTS" { default = ["minimal", "standard", "full", "dev"] }

group "default" { targets = ["standard-12-8"] }
group "minimal" { targets = [for cuda in keys(TORCH) : "minimal-${cuda}"] }
group "standard" { targets = [for cuda in keys(TORCH) : "standard-${cuda}"] }
group "full" { targets = [for cuda in keys(TORCH) : "full-${cuda}"] }
group "dev" { targets = [for cuda in keys(TORCH) : "dev-${cuda}"] }
group "cpu" { targets = [for variant in VARIANTS : "${variant}-cpu"] }
group "all" { targets = ["minimal", "standard", "full", "dev"] }

target "image" {
  name       = "${variant}-${cuda}"
  matrix     = { variant = VARIANTS, cuda = keys(TORCH) }
  context    = "."
  dockerfile = "Dockerfile"
  target     = "image"
  platforms  = ["linux/amd64"]
  contexts = { for name, folder in {
    comfyui-src = COMFYUI_SRC, nodes-standard = NODES_STANDARD, nodes-full = NODES_FULL, locks = LOCKS, wheels = WHEELS, frontend = FRONTEND
  } : name => folder if folder != "" }
  args = {
    VARIANT              = variant
    BASE_IMAGE           = BASE_IMAGE
    CODE_SERVER          = CODE_SERVER
    TORCH_SPEC           = TORCH_SPEC == "none" ? "" : TORCH_SPEC != "" ? TORCH_SPEC : TORCH[cuda].spec
    TORCH_INDEX          = "https://download.pytorch.org/whl/${TORCH[cuda].wheels}"
    HEARTH_CUDA          = cuda
    HEARTH_IMAGE_VERSION = VERSION
  }
  tags = VERSION == "local" ? ["${IMAGE}:${variant}-${cuda}"] : [
    "${IMAGE}:${variant}-${cuda}", "${IMAGE}:${VERSION}-${variant}-${cuda}"
  ]
  labels = {
    "org.opencontainers.image.title"       = "Hearth with ComfyUI, ${variant}"
    "org.opencontainers.image.description" = "The self-hosted home of ComfyUI: ${variant} variant, torch for ${cuda}"
    "org.opencontainers.image.licenses"    = "MIT"
    "org.opencontainers.image.version"     = VERSION
    "org.opencontainers.image.revision"    = REVISION
    "org.opencontainers.image.created"     = CREATED
    "org.opencontainers.image.base.name"   = BASE_IMAGE
    "hearth.variant"                       = variant
    "hearth.cuda"                          = cuda
  }
  attest = RELEASE ? ["type=provenance,mode=max", "type=sbom"] : []
}
