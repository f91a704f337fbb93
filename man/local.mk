dist_man_MANS = man/taskmill.1 man/taskmill.conf.5

# Every setting with its default; not installed as the configuration itself,
# since a key has to be made first.
exampledir = $(pkgdatadir)
dist_example_DATA = share/taskmill.conf.example
