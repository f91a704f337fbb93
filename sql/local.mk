# Migrations, applied in the order of their numbers by "taskmill migrate". A
# new one is added to this list.
sqldir = $(pkgdatadir)/sql
dist_sql_DATA = sql/0001_init.sql sql/0002_accounts.sql \
	sql/0003_legacy_imports.sql sql/0004_pull_requests.sql \
	sql/0005_machine_trouble.sql sql/0006_sign_ins.sql \
	sql/0007_cloud.sql sql/0008_agent_model.sql
