"""Ids of all nodes, in the order of the registry: never changed once released."""

NODES = [
    "KDSR_Load",
    "KDSR_EstimateIDR",
    "KDSR_Upscale",
    "KDSR_TileUpscale",
    "KDSR_UpscaleRegions",
    "KDSR_UpscaleVideo",
    "KDSR_InspectIDR",
    "KDSR_BlendIDR",
    "KDSR_SaveIDR",
    "KDSR_LoadIDR",
    "KDSR_BakeUpscaleModel",
    "KDSR_Sample",
    "KDSR_Compare",
]
