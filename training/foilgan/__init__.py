"""The project's StyleGAN2: network, and what training and export share."""
