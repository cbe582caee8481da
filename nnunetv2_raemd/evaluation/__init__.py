"""How good predictions are: per case, per lesion, across slices, over folds, and against one another.

The room stands alone on files: nnU-Net's cross-validation folders, or any two folders of segmentations.
`results` is the model of what is measured; `folders.evaluate_folders` fills it, `summary.summarize` sums it
up, and `results_file` keeps it as JSON.
"""
