# The default generator: its data, training, export and report. Included by the root Makefile.
# Portraits: PORTRAITS=FOLDER, else FOILBANK_PORTRAITS, else ../shared/training (training/README.md says where they come from).
GAN_PYTHON ?= /usr/bin/python3
GAN_DATA ?= out/generator-data
GAN_RUN ?= training/runs/foilgan-64
GAN_IMAGES ?= 400000
GAN_SAMPLES ?= 2000
GAN_MANY ?= 20000
GAN_REAL ?= ../shared/lfw-dev/images
GAN_CARD ?= models/generator/foilgan-64.json
GAN_REPORT := out/generator-report
GAN_ENV := env OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=training $(if $(PORTRAITS),FOILBANK_PORTRAITS=$(PORTRAITS))

.PHONY: generator-tools
generator-tools: ## torch, opencv, numpy and a fast BLAS for the training (Debian packages)
	@$(GAN_PYTHON) -c 'import torch, cv2, numpy' 2>/dev/null || \
	{ command -v apt-get >/dev/null && apt-get install -y --no-install-recommends python3-torch python3-opencv python3-numpy libopenblas0-pthread; } || \
	{ echo "The training needs torch, opencv and numpy for $(GAN_PYTHON): on Debian, as root, apt-get install python3-torch python3-opencv python3-numpy libopenblas0-pthread."; exit 1; }

.PHONY: generator-data
generator-data: generator-tools ## 98,304 samples of the face sampler to train on (about 12 CPU minutes)
	@$(GAN_ENV) $(GAN_PYTHON) -m foilgan.data --out $(GAN_DATA) --count 24

.PHONY: generator-train
generator-train: generator-data ## train the default generator, or go on where it stopped (CPU hours)
	@$(GAN_ENV) $(GAN_PYTHON) training/foilgan_train.py distil --data $(GAN_DATA) --run $(GAN_RUN) --images $(GAN_IMAGES)
	@$(GAN_ENV) $(GAN_PYTHON) training/foilgan_train.py polish --data $(GAN_DATA) --from $(GAN_RUN) --run $(GAN_RUN)-polish --images 40000
	@$(GAN_ENV) $(GAN_PYTHON) training/foilgan_train.py map --run $(GAN_RUN)-polish

.PHONY: generator-export
generator-export: generator-tools ## the trained generator as ONNX with its card: models/generator/
	@$(GAN_ENV) $(GAN_PYTHON) training/export_default.py --run $(GAN_RUN)-polish --out models/generator
	@node training/complete_card.mjs $(GAN_CARD)

.PHONY: generator-report
generator-report: models generator-tools ## figures of the default generator against its sampler and real photos (about 10 minutes)
	@mkdir -p $(GAN_REPORT)
	@$(GAN_ENV) $(GAN_PYTHON) training/report/draw.py --data $(GAN_DATA) --samples $(GAN_SAMPLES) --out $(GAN_REPORT)
	@node training/report/embed.mjs images $(GAN_REPORT)/sampler.images.npy $(GAN_REPORT)/sampler
	@node training/report/embed.mjs images $(GAN_REPORT)/portraits.images.npy $(GAN_REPORT)/portraits
	@node training/report/embed.mjs made $(GAN_CARD) $(GAN_SAMPLES) $(GAN_REPORT)/generated
	@node training/report/embed.mjs made $(GAN_CARD) $(GAN_MANY) $(GAN_REPORT)/many
	@if [ -d $(GAN_REAL) ]; then node training/report/embed.mjs photos $(GAN_REAL) $(GAN_REPORT)/lfw-dev $(GAN_SAMPLES); \
	 else echo "$(GAN_REAL) is not there: the report goes without real photos"; fi
	@$(GAN_ENV) $(GAN_PYTHON) training/report/report.py --folder $(GAN_REPORT) --json $(GAN_REPORT)/report.json
