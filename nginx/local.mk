# Templates and the generator that reads them, which look for each other by
# being in the same folder.
nginxdir = $(pkgdatadir)/nginx
dist_nginx_SCRIPTS = nginx/generate
dist_nginx_DATA = nginx/laptop.conf.in nginx/server.conf.in
nginxsnippetsdir = $(nginxdir)/snippets
dist_nginxsnippets_DATA = \
	nginx/snippets/api.conf.in \
	nginx/snippets/costly.conf.in \
	nginx/snippets/error-pages.conf.in \
	nginx/snippets/errors.conf.in \
	nginx/snippets/fastcgi.conf.in \
	nginx/snippets/git-http.conf.in \
	nginx/snippets/git-readonly.conf.in \
	nginx/snippets/git.conf.in \
	nginx/snippets/headers.conf.in \
	nginx/snippets/hsts.conf.in \
	nginx/snippets/http.conf.in \
	nginx/snippets/outbound.conf.in \
	nginx/snippets/pool.conf.in \
	nginx/snippets/root.conf.in \
	nginx/snippets/remote-user.conf.in \
	nginx/snippets/tls.conf.in \
	nginx/snippets/user.conf.in \
	nginx/snippets/web.conf.in
