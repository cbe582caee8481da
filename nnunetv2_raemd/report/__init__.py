"""One self-contained HTML page about trained models: tables, plots, training curves and a slice viewer.

The room stands alone on nnU-Net's folders and on the results of `evaluation`. `report.write_report` gathers
the page's parts, `page` puts them together; `assets/` holds the page's own HTML, CSS and JavaScript.
"""
