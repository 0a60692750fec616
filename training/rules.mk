# The default generator: its data, training, export and report. Included by the root Makefile.
# Portraits: PORTRAITS=FOLDER, else FOILBANK_PORTRAITS, else ../shared/training (training/README.md says where they come from).
GAN_PYTHON ?= /usr/bin/python3
GAN_DATA ?= out/generator-data
GAN_SIZE ?= 64
GAN_RUN ?= training/runs/foilgan-$(GAN_SIZE)
# How much: shards of 4,096 samples, images by regression and with the discriminator, CPU seconds for the mapping network.
GAN_SHARDS ?= 24
GAN_IMAGES ?= 400000
GAN_POLISH ?= 140000
GAN_MAP_SECONDS ?= 1200
# A polished run at half the size to grow instead of starting from nothing.
GAN_FROM ?=
# report.json of `make generator-report`, for the card's notes.
GAN_FIGURES ?=
GAN_SAMPLES ?= 2000
GAN_MANY ?= 20000
GAN_REAL ?= ../shared/lfw-dev/images
GAN_CARD ?= models/generator/foilgan-$(GAN_SIZE).json
GAN_REPORT ?= out/generator-report
GAN_ENV := env OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=training $(if $(PORTRAITS),FOILBANK_PORTRAITS=$(PORTRAITS))

.PHONY: generator-tools
generator-tools: ## torch, opencv, numpy and a fast BLAS for the training (Debian packages)
	@$(GAN_PYTHON) -c 'import torch, cv2, numpy' 2>/dev/null || \
	{ command -v apt-get >/dev/null && apt-get install -y --no-install-recommends python3-torch python3-opencv python3-numpy libopenblas0-pthread; } || \
	{ echo "The training needs torch, opencv and numpy for $(GAN_PYTHON): on Debian, as root, apt-get install python3-torch python3-opencv python3-numpy libopenblas0-pthread."; exit 1; }

.PHONY: generator-data
generator-data: generator-tools ## samples of the face sampler to train on: GAN_SHARDS times 4,096 (24: about 12 CPU minutes)
	@$(GAN_ENV) $(GAN_PYTHON) -m foilgan.data --out $(GAN_DATA) --count $(GAN_SHARDS) --size $(GAN_SIZE)

.PHONY: generator-train
generator-train: generator-data ## train the default generator, or go on where it stopped (CPU hours)
	@$(GAN_ENV) $(GAN_PYTHON) training/foilgan_train.py distil --data $(GAN_DATA) --size $(GAN_SIZE) --run $(GAN_RUN) --images $(GAN_IMAGES) $(if $(GAN_FROM),--from $(GAN_FROM))
	@$(GAN_ENV) $(GAN_PYTHON) training/foilgan_train.py polish --data $(GAN_DATA) --size $(GAN_SIZE) --from $(GAN_RUN) --run $(GAN_RUN)-polish --images $(GAN_POLISH)
	@$(GAN_ENV) $(GAN_PYTHON) training/foilgan_train.py map --run $(GAN_RUN)-polish --cpu-seconds $(GAN_MAP_SECONDS) $(if $(GAN_FROM),--from $(GAN_FROM))

.PHONY: generator-export
generator-export: generator-tools ## the trained generator as ONNX with its card: models/generator/
	@$(GAN_ENV) $(GAN_PYTHON) training/export_default.py --run $(GAN_RUN)-polish --out $(dir $(GAN_CARD)) $(if $(GAN_FIGURES),--figures $(GAN_FIGURES))
	@node training/complete_card.mjs $(GAN_CARD)

.PHONY: generator-report
generator-report: models generator-tools ## figures of the default generator against its sampler and real photos (about 10 minutes)
	@mkdir -p $(GAN_REPORT)
	@$(GAN_ENV) $(GAN_PYTHON) training/report/draw.py --data $(GAN_DATA) --size $(GAN_SIZE) --samples $(GAN_SAMPLES) --out $(GAN_REPORT)
	@node training/report/embed.mjs images $(GAN_REPORT)/sampler.images.npy $(GAN_REPORT)/sampler
	@node training/report/embed.mjs images $(GAN_REPORT)/portraits.images.npy $(GAN_REPORT)/portraits
	@node training/report/embed.mjs made $(GAN_CARD) $(GAN_SAMPLES) $(GAN_REPORT)/generated
	@node training/report/embed.mjs made $(GAN_CARD) $(GAN_MANY) $(GAN_REPORT)/many
	@if [ -d $(GAN_REAL) ]; then node training/report/embed.mjs photos $(GAN_REAL) $(GAN_REPORT)/lfw-dev $(GAN_SAMPLES); \
	 else echo "$(GAN_REAL) is not there: the report goes without real photos"; fi
	@$(GAN_ENV) $(GAN_PYTHON) training/report/report.py --folder $(GAN_REPORT) --json $(GAN_REPORT)/report.json
