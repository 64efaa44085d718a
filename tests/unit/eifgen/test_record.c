// SPDX-License-Identifier: Apache-2.0
//
// Reading records: what is taken, what is refused with the member named; the canonical form; statements made of them.
// Whole records are written and compared in tests/cmd/build.sh and tests/cmd/rebuild.sh.
#include "base/io.h"
#include "eifgen/provenance.h"
#include "eifgen/record.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEX48 "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
#define PCRS "\"Measurements\":{\"PCR0\":\"" HEX48 "\",\"PCR1\":\"" HEX48 "\",\"PCR2\":\"" HEX48 "\"}"
#define SCHEMA "\"Schema\":\"eifgen-record/1\""

static struct err err;

static struct record *load(const char *text)
{
	struct record *r = NULL;
	char path[64];
	int fd = memfd_create("record", MFD_CLOEXEC);

	assert_ok(io_write(fd, text, strlen(text), &err));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = (struct err)ERR_INIT;
	if (record_load(path, &r, &err))
		r = NULL;
	close(fd);
	return r;
}

START_TEST(test_record_load_of_the_least_gives_the_registers)
{
	struct record *r = load("{" PCRS "," SCHEMA "}");

	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(r->pcrs.pcr2[47], 0x11);
	ck_assert(!r->pcrs.has_pcr8);
	record_free(r);
}
END_TEST

static const struct {
	const char *text, *says;
} refused[] = {
	{"{" PCRS "}", "no Schema"},
	{"{" PCRS ",\"Schema\":\"eifgen-record/2\"}", "schema \"eifgen-record/2\""},
	{"{" PCRS ",\"Schema\":1}", "no Schema"},
	{"{" SCHEMA "}", "Measurements.PCR0"},
	{"{" SCHEMA ",\"Measurements\":{\"PCR0\":\"11\"}}", "Measurements.PCR0"},
	{"{" SCHEMA ",\"Measurements\":[]}", "Measurements.PCR0"},
	{"{" SCHEMA ",\"Measurements\":{\"PCR0\":\"" HEX48 "\",\"PCR1\":\"" HEX48 "\",\"PCR2\":\"" HEX48 "\",\"PCR8\":\"x\"}}",
	 "Measurements.PCR8"},
	{"[]", "no Schema"},
	{"{", ""},
};

START_TEST(test_record_load_of_something_else_is_refused)
{
	ck_assert_ptr_null(load(refused[_i].text));
	ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "row %d: %s", _i, err.msg);
}
END_TEST

START_TEST(test_record_get_walks_objects_only)
{
	struct record *r = load("{" PCRS "," SCHEMA ",\"A\":{\"B\":{\"C\":\"deep\"},\"N\":null,\"L\":[1]},\"Num\":7}");

	ck_assert_str_eq(record_text(r, "A.B.C"), "deep");
	ck_assert_ptr_null(record_get(r, "A.N"));
	ck_assert_ptr_null(record_get(r, "A.B.C.D"));
	ck_assert_ptr_null(record_get(r, "a.B.C"));
	ck_assert_ptr_null(record_get(r, "A.Bx"));
	ck_assert_ptr_null(record_text(r, "Num"));
	ck_assert_ptr_nonnull(record_get(r, "A.L"));
	record_free(r);
}
END_TEST

START_TEST(test_record_number_takes_whole_numbers_alone)
{
	struct record *r = load("{" PCRS "," SCHEMA ",\"N\":42,\"Neg\":-1,\"F\":1.5,\"S\":\"1\"}");
	uint64_t v = 0;

	assert_ok(record_number(r, "N", &v, &err));
	ck_assert_uint_eq(v, 42);
	ck_assert_int_eq(record_number(r, "Neg", &v, &err), -1);
	ck_assert_int_eq(record_number(r, "F", &v, &err), -1);
	ck_assert_int_eq(record_number(r, "S", &v, &err), -1);
	ck_assert_int_eq(record_number(r, "None", &v, &err), -1);
	ck_assert_uint_eq(v, 42);
	record_free(r);
}
END_TEST

START_TEST(test_record_canonical_sorts_by_bytes_and_drops_white_space)
{
	struct buf out = BUF_INIT(0);

	assert_ok(record_canonical("{ \"b\": [1, 2],\n \"B\": {\"z\": 1, \"a\": \"\\u00e9\"}, \"a\": null }", &out, &err));
	ck_assert_str_eq(buf_cstr(&out, &err), "{\"B\":{\"a\":\"\xc3\xa9\",\"z\":1},\"a\":null,\"b\":[1,2]}\n");
	buf_free(&out);
}
END_TEST

START_TEST(test_provenance_write_of_no_record_fails)
{
	struct buf out = BUF_INIT(0);

	ck_assert_int_eq(provenance_write("{}", 2, "a", "b", &out, &err), -1);
	ck_assert_int_eq(provenance_write("", 0, "a", "b", &out, &err), -1);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

START_TEST(test_provenance_write_of_a_record_names_file_inputs_and_registers)
{
	static const char record[] = "{" SCHEMA "," PCRS ",\"Eif\":{\"Sha256\":\"ee\"},\"Tool\":{\"Version\":\"9\"},"
				     "\"Image\":{\"Reference\":\"oci:x\",\"Config\":\"sha256:cc\",\"Manifest\":null,"
				     "\"Layers\":[{\"Digest\":\"sha256:aa\"}]},"
				     "\"Platform\":{\"Init\":{\"Sha256\":\"bb\"},\"Nsm\":null,\"Cmdline\":\"q\"}}\n";
	struct buf out = BUF_INIT(0);
	const char *text;

	assert_ok(provenance_write(record, sizeof(record) - 1, "o.eif", "o.json", &out, &err));
	text = buf_cstr(&out, &err);
	ck_assert_ptr_nonnull(strstr(text, "\"subject\":[{\"digest\":{\"sha256\":\"ee\"},\"name\":\"o.eif\"}]"));
	ck_assert_ptr_nonnull(strstr(text, "{\"digest\":{\"sha256\":\"cc\"},\"name\":\"image config\"}"));
	ck_assert_ptr_nonnull(strstr(text, "{\"digest\":{\"sha256\":\"bb\"},\"name\":\"init\"}"));
	ck_assert_ptr_nonnull(strstr(text, "{\"digest\":{\"sha384\":\"" HEX48 "\"},\"name\":\"PCR1\"}"));
	ck_assert_ptr_null(strstr(text, "nsm.ko"));
	ck_assert_ptr_null(strstr(text, "image manifest"));
	buf_free(&out);
}
END_TEST

UNIT_MAIN("eifgen/record",
	  ADD(test_record_load_of_the_least_gives_the_registers)
	  tcase_add_loop_test(tc_, test_record_load_of_something_else_is_refused, 0, sizeof(refused) / sizeof(refused[0]));
	  ADD(test_record_get_walks_objects_only)
	  ADD(test_record_number_takes_whole_numbers_alone)
	  ADD(test_record_canonical_sorts_by_bytes_and_drops_white_space)
	  ADD(test_provenance_write_of_no_record_fails)
	  ADD(test_provenance_write_of_a_record_names_file_inputs_and_registers))
