"""Two-stage distillation of KDSR: teacher, student, and the GAN stage."""
