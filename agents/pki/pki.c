/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/pki/pki.h"

#include <gnutls/gnutls.h>
#include <string.h>

#include "agents/pki/cert.h"
#include "base/file.h"
#include "base/mem.h"
#include "tls/identity.h"

#define PEM_MAX_BYTES (64u << 10)
#define USERS_DIR     "users" /* among the hosts' directories, so no host may have this id */

/* ---- files ------------------------------------------------------------ */

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool write_text(const char *path, const char *text, mode_t mode, struct err *err)
{
	return file_write(path, text, strlen(text), mode, err);
}

static bool write_pem(const char *cert_path, const char *key_path, const struct pki_pem *pem,
		      struct err *err)
{
	return write_text(key_path, pem->key, 0600, err) &&
	       write_text(cert_path, pem->cert, 0644, err);
}

static void wipe_textp(char **text)
{
	if (*text)
		gnutls_memset(*text, 0, strlen(*text));
	free(*text);
}

/* ---- the CA ----------------------------------------------------------- */

struct ca_files {
	char *cert_path, *key_path;
	char *cert_pem; /* loaded */
	struct pki_ca *ca;
};

static void ca_files_fini(struct ca_files *files)
{
	free(files->cert_path);
	free(files->key_path);
	free(files->cert_pem);
	pki_ca_free(files->ca);
}

static void ca_files_init(const char *dir, struct ca_files *files)
{
	memset(files, 0, sizeof(*files));
	files->cert_path = xasprintf("%s/ca.pem", dir);
	files->key_path = xasprintf("%s/ca-key.pem", dir);
}

static bool ca_files_load(struct ca_files *files, const char *dir, struct err *err)
{
	CLEANUP(wipe_textp) char *key_pem = NULL;
	size_t len;

	if (!exists(files->cert_path))
		return err_set(err, ERR_NOT_FOUND,
			       "there is no CA in '%s': make one with `migrctl pki init --dir %s'",
			       dir, dir);
	if (!file_read(files->cert_path, PEM_MAX_BYTES, &files->cert_pem, &len, err) ||
	    !file_read(files->key_path, PEM_MAX_BYTES, &key_pem, &len, err))
		return false;
	files->ca = pki_ca_new(files->cert_pem, key_pem, err);
	if (!files->ca)
		return err_wrap(err, "CA in '%s'", dir);
	return true;
}

bool pki_init(const struct pki_options *options, time_t *ret_expires_at, struct err *err)
{
	CLEANUP(pki_pem_fini) struct pki_pem pem = { NULL, NULL, 0 };
	CLEANUP(ca_files_fini) struct ca_files files;

	ca_files_init(options->dir, &files);
	if (!options->force && (exists(files.cert_path) || exists(files.key_path)))
		return err_set(err, ERR_EXISTS,
			       "there is a CA in '%s' already: take another directory (--dir), or "
			       "replace it with --force, which makes every certificate from it "
			       "worthless",
			       options->dir);
	if (!pki_cert_new_ca(options->days, &pem, err) || !dir_make(options->dir, 0700, err) ||
	    !write_pem(files.cert_path, files.key_path, &pem, err))
		return false;
	*ret_expires_at = pem.expires_at;
	return true;
}

/* ---- hosts ------------------------------------------------------------ */

/* One parsed word of the request. */
struct host_plan {
	struct pki_host host;
	bool is_renewal; /* the word was only an id */
};

struct host_job {
	const struct pki_options *options;
	const struct pki_host_request *request;
	struct ca_files ca;
	struct pki_hosts hosts;
	struct host_plan *plans; /* request->count of them */
	char *register_path;
};

static void host_job_fini(struct host_job *job)
{
	ca_files_fini(&job->ca);
	pki_hosts_fini(&job->hosts);
	free(job->plans);
	free(job->register_path);
}

static char *host_path(const struct host_job *job, const char *id, const char *file)
{
	return xasprintf("%s/%s/%s", job->options->dir, id, file);
}

/* Forgets hosts whose directory was removed by hand. */
static void forget_removed_hosts(struct host_job *job)
{
	for (size_t i = job->hosts.count; i-- > 0;) {
		CLEANUP(free_charp) char *cert = host_path(job, job->hosts.list[i].id, "host.pem");

		if (!exists(cert))
			pki_hosts_remove(&job->hosts, job->hosts.list[i].id);
	}
}

static bool plan_renewal(const struct host_job *job, const char *id, struct host_plan *ret_plan,
			 struct err *err)
{
	const struct pki_host *known = pki_hosts_find(&job->hosts, id);

	if (!known)
		return err_set(err, ERR_NOT_FOUND,
			       "host '%s' is not known in '%s': add its address (%s=ADDRESS)", id,
			       job->options->dir, id);
	ret_plan->host = *known;
	ret_plan->is_renewal = true;
	return true;
}

static bool is_planned(const struct host_job *job, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(job->plans[i].host.id, id) == 0)
			return true;
	return false;
}

static bool check_free(const struct host_job *job, const char *id, struct err *err)
{
	CLEANUP(free_charp) char *cert = host_path(job, id, "host.pem");
	CLEANUP(free_charp) char *key = host_path(job, id, "host-key.pem");

	if (job->options->force || (!exists(cert) && !exists(key)))
		return true;
	return err_set(err, ERR_EXISTS,
		       "host '%s' has a certificate in '%s' already: --force replaces it", id,
		       job->options->dir);
}

static bool plan_host(struct host_job *job, size_t i, struct err *err)
{
	const char *word = job->request->hosts[i];
	struct host_plan *plan = &job->plans[i];

	if (!strchr(word, '='))
		return plan_renewal(job, word, plan, err) && check_free(job, word, err);
	if (!pki_host_parse(word, &plan->host, err))
		return false;
	if (strcmp(plan->host.id, USERS_DIR) == 0)
		return err_set(err, ERR_INVALID,
			       "'" USERS_DIR "' is the directory of the users' certificates and "
			       "cannot be a host");
	if (is_planned(job, i, plan->host.id))
		return err_set(err, ERR_INVALID, "host '%s' is given twice", plan->host.id);
	return check_free(job, plan->host.id, err) && pki_hosts_put(&job->hosts, &plan->host, err);
}

static bool write_host_cert(const struct host_job *job, const struct pki_host *host,
			    struct err *err)
{
	CLEANUP(pki_pem_fini) struct pki_pem pem = { NULL, NULL, 0 };
	CLEANUP(free_charp) char *ca = host_path(job, host->id, "ca.pem");
	CLEANUP(free_charp) char *cert = host_path(job, host->id, "host.pem");
	CLEANUP(free_charp) char *key = host_path(job, host->id, "host-key.pem");
	char dns_name[128];
	struct pki_leaf leaf = {
		.common_name = host->id,
		.unit = "host",
		.dns_name = dns_name,
		.ip_address = host->kind == PKI_ADDRESS_NAME ? NULL : host->address,
		.is_server = true,
		.days = job->options->days,
	};

	tls_host_dns_name(host->id, dns_name, sizeof(dns_name));
	return pki_cert_new(job->ca.ca, &leaf, &pem, err) &&
	       write_text(ca, job->ca.cert_pem, 0644, err) && write_pem(cert, key, &pem, err);
}

/* "%h" in a directory's name becomes the host's id. */
static char *expand_dir(const char *pattern, const char *id)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	const char *mark;

	while ((mark = strstr(pattern, "%h"))) {
		strbuf_add(&text, pattern, (size_t)(mark - pattern));
		strbuf_adds(&text, id);
		pattern = mark + 2;
	}
	strbuf_adds(&text, pattern);
	return strbuf_take(&text);
}

static bool write_host_conf(const struct host_job *job, const struct pki_host *host,
			    struct err *err)
{
	const struct pki_host_request *request = job->request;
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	CLEANUP(free_charp) char *path = host_path(job, host->id, "migrd.conf");
	CLEANUP(free_charp)
	char *state_dir =
		expand_dir(request->state_dir ? request->state_dir : PKI_STATE_DIR, host->id);
	CLEANUP(free_charp)
	char *run_dir = expand_dir(request->run_dir ? request->run_dir : PKI_RUN_DIR, host->id);
	struct pki_conf_dirs dirs = { state_dir, run_dir };

	pki_conf_host(host, &dirs, &text);
	return file_write(path, text.data, text.len, 0644, err);
}

static bool write_host(const struct host_job *job, const struct host_plan *plan, struct err *err)
{
	CLEANUP(free_charp) char *dir = host_path(job, plan->host.id, "migrd.conf.d");
	CLEANUP(free_charp) char *top = xasprintf("%s/%s", job->options->dir, plan->host.id);

	return dir_make(top, 0700, err) && dir_make(dir, 0700, err) &&
	       (plan->is_renewal || write_host_conf(job, &plan->host, err)) &&
	       write_host_cert(job, &plan->host, err);
}

static bool write_peers(const struct host_job *job, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	pki_conf_peers(&job->hosts, &text);
	for (size_t i = 0; i < job->hosts.count; i++) {
		CLEANUP(free_charp)
		char *path = host_path(job, job->hosts.list[i].id, "migrd.conf.d/peers.conf");

		if (!file_write(path, text.data, text.len, 0644, err))
			return false;
	}
	return true;
}

static bool plan_hosts(struct host_job *job, struct err *err)
{
	if (!ca_files_load(&job->ca, job->options->dir, err) ||
	    !pki_hosts_load(job->register_path, &job->hosts, err))
		return false;
	forget_removed_hosts(job);
	for (size_t i = 0; i < job->request->count; i++)
		if (!plan_host(job, i, err))
			return false;
	return true;
}

/* The register is written last, so that all hosts in it have their files.  If the program
 * stops half way, the same command with --force completes the work. */
static bool write_hosts(struct host_job *job, struct err *err)
{
	for (size_t i = 0; i < job->request->count; i++)
		if (!write_host(job, &job->plans[i], err))
			return false;
	return write_peers(job, err) && pki_hosts_save(job->register_path, &job->hosts, err);
}

bool pki_add_hosts(const struct pki_options *options, const struct pki_host_request *request,
		   struct pki_hosts *ret_hosts, struct err *err)
{
	CLEANUP(host_job_fini) struct host_job job;

	memset(&job, 0, sizeof(job));
	job.options = options;
	job.request = request;
	ca_files_init(options->dir, &job.ca);
	job.register_path = xasprintf("%s/hosts", options->dir);
	job.plans = xcalloc(request->count + 1, sizeof(*job.plans));
	if (!plan_hosts(&job, err) || !write_hosts(&job, err))
		return false;
	*ret_hosts = job.hosts;
	job.hosts = (struct pki_hosts){ NULL, 0 };
	return true;
}

/* ---- users ------------------------------------------------------------ */

/* A name is valid if the code that will read the certificate accepts it. */
static bool user_dns_name(const char *name, const char *role, char ret_name[256], struct err *err)
{
	struct tls_identity identity;

	if (!id_name_is_valid(name))
		return err_set(err, ERR_INVALID,
			       "'%s' is no user name (1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-', "
			       "the first a letter or digit)",
			       name);
	snprintf(ret_name, 256, "%s.%s.user.migrd", name, role);
	if (!tls_identity_parse(ret_name, &identity, err) || strcmp(identity.name, name) != 0)
		return err_set(err, ERR_INVALID, "'%s' is no role (viewer, operator or admin)",
			       role);
	return true;
}

static bool check_user_free(const char *cert, const char *key, const char *name, struct err *err)
{
	if (!exists(cert) && !exists(key))
		return true;
	return err_set(err, ERR_EXISTS, "user '%s' has a certificate already: --force replaces it",
		       name);
}

bool pki_add_user(const struct pki_options *options, const char *name, const char *role,
		  time_t *ret_expires_at, struct err *err)
{
	CLEANUP(pki_pem_fini) struct pki_pem pem = { NULL, NULL, 0 };
	CLEANUP(ca_files_fini) struct ca_files ca;
	CLEANUP(free_charp) char *dir = xasprintf("%s/" USERS_DIR, options->dir);
	CLEANUP(free_charp) char *cert = xasprintf("%s/%s.pem", dir, name);
	CLEANUP(free_charp) char *key = xasprintf("%s/%s.key", dir, name);
	char dns_name[256];
	struct pki_leaf leaf = {
		.common_name = name,
		.unit = "user",
		.dns_name = dns_name,
		.days = options->days,
	};

	ca_files_init(options->dir, &ca);
	if (!user_dns_name(name, role, dns_name, err) ||
	    (!options->force && !check_user_free(cert, key, name, err)) ||
	    !ca_files_load(&ca, options->dir, err) || !pki_cert_new(ca.ca, &leaf, &pem, err) ||
	    !dir_make(dir, 0700, err) || !write_pem(cert, key, &pem, err))
		return false;
	*ret_expires_at = pem.expires_at;
	return true;
}
