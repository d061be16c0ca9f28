"""What is minimised: pixel, distillation, adversarial and perceptual losses, and their networks.

May import: `kdsr` and what lies below in `train`; not the stages that use them.
"""
