"""Training losses: pixel, distillation, adversarial and perceptual, and their networks.

May import: `kdsr` and the lower folders of `train`; not the stages that use the losses.
"""
