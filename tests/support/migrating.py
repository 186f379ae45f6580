"""Which tests try what docs/migrating.md says: the first cell of each row, and its tests, as FILE::TEST in tests/."""

from typing import Final

KV, FLOW, DROP, OBJECT = (
    "api/test_key_value.py",
    "api/test_main_flow.py",
    "api/test_dropins.py",
    "api/test_object_sources.py",
)
CONTRACT, HOOKS, FOLDERS = "api/test_take_home_contract.py", "api/test_webhooks.py", "api/test_folders.py"
UPLOADS, PAGES, HERE = "api/test_uploads.py", "api/test_webpages.py", "api/test_migrating.py"
PEER = f"{DROP}::test_descriptor_gives_what_zipstreamer_gave"
NGINX = f"{DROP}::test_list_gives_what_mod_zip_gave"
CALLS = f"{DROP}::test_zipstreamers_documented_calls_give_the_zip"
VARIABLES = "unit/test_config.py::test_zipstreamers_variables_stand_for_settings_where_its_interface_is_on"
ASKED = f"{DROP}::test_upstream_is_asked_each_time_and_told_who_asks"
LIST = f"{DROP}::test_upstreams_list_becomes_the_zip"
PASSES = f"{DROP}::test_what_is_no_list_passes_as_it_is"
ESRI = f"{OBJECT}::test_manifest_of_esri_becomes_the_zip"
PROMISE = f"{OBJECT}::test_manifest_is_a_promise_and_a_refusal_passes"
IMAGES = f"{PAGES}::test_download_gives_the_images_of_a_page"

# By heading; the first table has none.
TRIED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "": {
        "`python server.py`, `flask run`, `uvicorn main:app`, `gunicorn …`, `python manage.py runserver`": (
            "unit/test_migrating.py::test_one_command_sets_up_and_starts",
            "unit/cli/test_cli.py::test_serve_starts_the_gateway_when_nothing_is_given",
        ),
        "`celery -A … worker`, `rq worker`, `celery beat`, and the broker they need": (
            f"{HOOKS}::test_event_is_delivered_after_kill_and_restart_with_the_same_id",
            "resilience/test_workers.py::test_a_prefetch_goes_on_when_the_worker_that_ran_it_is_killed",
        ),
        "`manage.py migrate`, `alembic upgrade head`, a database's URL": (
            "unit/store/test_migrations.py::test_migrate_applies_only_what_is_missing_when_the_store_is_older",
            "compatibility/test_stored_by_earlier.py::test_archives_stored_by_an_earlier_release_come_out_the_same",
        ),
        "`docker-compose up` with several services": ("unit/test_migrating.py::test_compose_is_nginx_and_the_gateway",),
        "`HOST`, `PORT`, `--port`, `DEBUG`, `SECRET_KEY`, `LOG_LEVEL`": (
            f"{HERE}::test_files_of_settings_that_other_services_had_mean_nothing",
            "unit/cli/test_cli.py::test_serve_prefers_flags_when_the_environment_differs",
            "unit/test_config.py::test_key_ring_is_made_once_when_none_is_given",
        ),
        "`.env`, `config.py`, `settings.py`, `config.yaml`": (
            f"{HERE}::test_files_of_settings_that_other_services_had_mean_nothing",
        ),
        "`requirements.txt`, `Pipfile`": ("unit/test_migrating.py::test_one_command_sets_up_and_starts",),
        "a log file, or lines on stdout": (
            "api/test_request_log.py::test_each_request_has_a_line_with_what_came_of_it",
        ),
        "basic authentication in the proxy, or none": (
            "api/test_keys.py::test_nothing_is_created_deleted_or_listed_without_a_key",
            "api/test_sessions.py::test_person_is_asked_for_the_key_once_and_then_uploads",
            "api/test_access.py::test_operation_lets_in_whom_it_is_for",
        ),
        "CORS switched on in the code": (
            "api/test_cors.py::test_script_of_a_named_site_creates_and_downloads_in_parts",
            "api/test_cors.py::test_no_site_may_anything_by_default",
        ),
        "a Swagger page at `/docs`, `/swagger`": ("api/test_openapi.py::test_page_needs_nothing_from_elsewhere",),
    },
    "URLs to a zip by key and value": {
        '`POST /archive_img` with one `{"filename": "code.png", "url": "…"}`': (
            f"{KV}::test_archive_img_gives_the_zip_of_one_named_file",
        ),
        "`POST /archive_img` with a list of them": (f"{KV}::test_archive_img_gives_the_zip_of_several_named_files",),
        "`GET /archive_img/{key}`": (f"{KV}::test_archive_img_resumes_and_tells_its_length_as_archives_do",),
        "`GET /health_check`": (
            f"{KV}::test_health_check_answers_as_its_monitors_expect",
            f"{FLOW}::test_health_is_told_in_three_forms",
        ),
        "a new key for every post": (f"{KV}::test_archive_img_gives_the_same_key_when_it_is_posted_again",),
        "the files are fetched at the post, or kept in memory": (
            f"{HERE}::test_files_are_fetched_at_the_first_get_and_again_when_the_copies_are_deleted",
            f"{KV}::test_archive_img_is_built_ahead_when_all_archives_are",
        ),
        "two files of one name: the later wins": (f"{KV}::test_archive_img_gives_the_zip_of_several_named_files",),
        "a file that cannot be had: 500, or a broken zip": (
            f"{HERE}::test_key_value_form_leaves_out_what_cannot_be_had",
        ),
        "the folder of finished zips": (
            f"{HERE}::test_files_are_fetched_at_the_first_get_and_again_when_the_copies_are_deleted",
        ),
        "the table or dictionary of keys": (f"{KV}::test_archive_img_knows_only_keys_that_it_gave_out",),
    },
    "Create, status, get, and a webhook": {
        '`POST /api/archive/create` `{"urls": […]}` → `{"archive_hash"}`': (
            f"{CONTRACT}::test_create_gives_the_same_archive_when_it_is_repeated",
        ),
        "`GET /api/archive/status/{hash}` → `in-progress`, then `completed` with `url`": (
            f"{CONTRACT}::test_contract_holds_with_prefetch_of_urls",
            f"{CONTRACT}::test_contract_holds_by_default_with_one_prefetch_between",
        ),
        "`GET /archive/get/{hash}.zip`": (f"{CONTRACT}::test_contract_holds_by_default_with_one_get_between",),
        "a webhook URL in the configuration": (f"{HOOKS}::test_receiver_is_told_once_the_copy_is_durable",),
        "a webhook URL in the request": (f"{HOOKS}::test_create_names_a_receiver_of_its_own",),
        "the webhook's body": (f"{HOOKS}::test_receiver_is_told_once_the_copy_is_durable",),
        "a webhook that is lost when its receiver is down": (
            "unit/webhooks/test_deliveries.py::test_delivery_is_tried_for_a_day_when_the_receiver_is_away",
            f"{HOOKS}::test_event_is_delivered_after_kill_and_restart_with_the_same_id",
        ),
        "a queue and its workers": (
            "resilience/test_kill.py::test_a_prefetch_goes_on_after_a_kill_and_gives_the_same_bytes",
        ),
        "the same list sent twice makes two archives": (
            f"{CONTRACT}::test_create_gives_the_same_archive_when_it_is_repeated",
            "api/test_on_error.py::test_a_refresh_is_an_archive_of_its_own",
        ),
        "a status of one's own for failure, as `error`": (
            f"{FLOW}::test_an_archive_of_nothing_is_a_problem",
            f"{FLOW}::test_an_entry_that_is_gone_is_left_out_and_reported",
        ),
        "the broker's or result store's time to live": (
            "api/test_budget_and_expiry.py::test_default_time_is_the_operators_when_create_says_nothing",
            "api/test_budget_and_expiry.py::test_archive_is_gone_when_its_time_is_over",
        ),
        "a timeout for one task": (
            "unit/origins/test_pull.py::test_pull_ends_when_nothing_new_came_for_as_long_as_it_waits",
        ),
        "the folder of finished zips, and the job that empties it": (
            "api/test_budget_and_expiry.py::test_copies_stay_within_their_budget_and_the_longest_unused_goes",
            "api/test_budget_and_expiry.py::test_archive_is_gone_when_its_time_is_over",
        ),
    },
    "Local folders, zipped as they are sent": {
        "`GET /archive/{hash}/`": (
            f"{FOLDERS}::test_folder_is_downloaded_as_an_archive_when_its_name_is_known",
            f"{FOLDERS}::test_folder_redirects_when_the_last_slash_is_missing",
        ),
        "the file name `archive.zip`": (f"{FOLDERS}::test_folder_is_downloaded_as_an_archive_when_its_name_is_known",),
        "404 for a folder that is not there": (f"{FOLDERS}::test_folder_is_unknown_when_it_is_anything_but_a_folder",),
        "the option for the folder's path": (
            f"{HERE}::test_nothing_is_logged_when_logging_is_off",
            f"{HERE}::test_folder_is_given_at_a_hundred_kilobytes_a_second",
        ),
        "the option for an interval between chunks (`--delay`, to try a slow link)": (
            f"{HERE}::test_folder_is_given_at_a_hundred_kilobytes_a_second",
        ),
        "the option for the chunk's size": (f"{FOLDERS}::test_folder_range_continues_a_download_that_broke",),
        "the option that switches logging on (`--logging`)": (f"{HERE}::test_nothing_is_logged_when_logging_is_off",),
        "the `zip` program, killed when the client leaves": (
            f"{FOLDERS}::test_folder_gives_its_descriptors_back_when_its_readers_leave",
        ),
        "chunked, without a length": (f"{FOLDERS}::test_folder_head_is_the_head_of_its_get",),
        "the page at `/` with links, `index.html`": (f"{HERE}::test_root_leads_to_no_folder",),
        "the folder of photos, `test_photos/<hash>/`": (
            f"{HERE}::test_folder_is_given_at_a_hundred_kilobytes_a_second",
        ),
        "a port in the nginx in front for it": (f"{HERE}::test_every_door_is_there_at_once_under_one_port",),
        "compressed by `zip`": (f"{HERE}::test_folder_is_given_at_a_hundred_kilobytes_a_second",),
    },
    "Upload and download of files": {
        "`GET /upload`: the page with list and form": (f"{UPLOADS}::test_page_has_the_form_and_the_files",),
        "`POST /upload` (multipart `file`)": (
            f"{UPLOADS}::test_file_is_uploaded_by_curl_as_the_documentation_has_it",
            f"{UPLOADS}::test_browser_is_led_back_to_the_page",
        ),
        "an API that takes the bare body": (f"{UPLOADS}::test_raw_body_is_the_file_whatever_its_type",),
        "`GET /download`: the list": (f"{UPLOADS}::test_file_is_uploaded_listed_downloaded_and_deleted",),
        "`GET /download/{name}`": (f"{UPLOADS}::test_file_is_given_in_ranges",),
        "the list of allowed extensions in the code (`ALLOWED_EXTENSIONS`)": (
            f"{HERE}::test_the_ten_extensions_of_before_are_taken_by_default",
            f"{UPLOADS}::test_file_is_refused_when_its_name_or_type_is_not_taken",
        ),
        "`MAX_CONTENT_LENGTH`; a full disk": (
            f"{UPLOADS}::test_limits_hold_when_files_are_too_large",
            f"{UPLOADS}::test_limit_holds_when_files_are_many",
        ),
        "names changed by `secure_filename`": (
            f"{HERE}::test_old_files_are_uploaded_one_by_one",
            f"{UPLOADS}::test_file_is_refused_when_its_name_or_type_is_not_taken",
        ),
        "files deleted on the server's disk": (f"{UPLOADS}::test_file_is_uploaded_listed_downloaded_and_deleted",),
        "the templates of the page": (f"{UPLOADS}::test_page_has_the_form_and_the_files",),
        "a file of that name exists: overwritten, or an error page": (
            f"{UPLOADS}::test_file_is_refused_when_there_is_one_of_its_name",
            f"{UPLOADS}::test_browser_is_led_back_to_the_page",
        ),
        "the folder of uploaded files (`UPLOAD_FOLDER`)": (f"{HERE}::test_old_files_are_uploaded_one_by_one",),
        "one file at a time back": (f"{UPLOADS}::test_uploads_are_packed_into_archives",),
    },
    "Images of a web page": {
        '`POST /download` `{"url": "https://page"}` → 202 `{"download_id"}`': (IMAGES,),
        "`GET /download/{uuid}` until it is finished": (
            IMAGES,
            f"{PAGES}::test_download_tells_why_a_page_gives_no_images",
        ),
        "404 for an id that nobody was given": (f"{PAGES}::test_download_knows_only_ids_that_it_gave_out",),
        "fifty images": (
            f"{PAGES}::test_download_takes_the_first_fifty_images",
            f"{PAGES}::test_download_takes_as_many_images_as_the_setting_says",
        ),
        "which images: `img src`": (
            IMAGES,
            "unit/webpages/test_images.py::test_find_images_takes_what_counts_as_an_image",
        ),
        "a task queue with its broker, workers and result store": (
            f"{PAGES}::test_download_survives_a_kill_while_the_images_are_pulled",
        ),
        "images under numbers or random names": (IMAGES,),
        "an image that cannot be had fails the job": (f"{PAGES}::test_download_leaves_out_images_that_cannot_be_had",),
        "a task's state (`PENDING`, `STARTED`, `SUCCESS`, `FAILURE`)": (
            IMAGES,
            f"{PAGES}::test_download_tells_why_a_page_gives_no_images",
        ),
        "a task that was lost with its worker": (f"{PAGES}::test_download_survives_a_kill_while_the_page_is_read",),
        "the folder of downloaded images": (IMAGES,),
        "the page fetched from any address, an inner one too": (
            f"{PAGES}::test_download_refuses_what_names_no_page",
            f"{PAGES}::test_download_tells_why_a_page_gives_no_images",
        ),
        "ids of the old service": (f"{PAGES}::test_download_knows_only_ids_that_it_gave_out",),
    },
    "zipstreamer": {
        "`POST /download` with a descriptor": (CALLS, PEER),
        "`GET /download?zsurl=URL`, `?zsid=ID`": (
            CALLS,
            f"{DROP}::test_descriptor_is_fetched_from_where_its_url_says",
            f"{DROP}::test_descriptor_of_nine_mebibytes_is_refused",
        ),
        '`POST /create_download_link` → `{"status": "ok", "link_id"}`': (
            CALLS,
            f"{DROP}::test_keys_guard_what_makes_archives_and_a_link_is_for_whoever_has_it",
        ),
        "`GET /download_link/{link_id}`": (CALLS, f"{DROP}::test_link_expires"),
        "`files` with `url` and `zipPath`, `suggestedFilename`; the old `entries`, `Url`, `ZipPath`; any case": (
            PEER,
            "unit/dropins/test_descriptor.py::test_entries_are_taken_and_left_out_as_zipstreamer_does",
        ),
        '`{"status": "error", "error": "invalid body"}` and the other errors': (
            f"{DROP}::test_zipstreamers_errors_are_those_that_were_recorded",
        ),
        "an entry without http or https, with an absolute path, or none: left out": (
            PEER,
            "unit/dropins/test_descriptor.py::test_entries_are_taken_and_left_out_as_zipstreamer_does",
        ),
        "`../x` in `zipPath` stands in the zip": (PEER,),
        "a file that cannot be had is missing": (PEER,),
        "no file can be had: 200, then the connection is closed": (
            f"{DROP}::test_origin_that_has_none_of_the_files_is_told_in_zipstreamers_shape",
        ),
        "`suggestedFilename` in ASCII, other letters dropped": (PEER,),
        "`PORT`": (VARIABLES,),
        "`ZS_URL_PREFIX`": (
            VARIABLES,
            "unit/dropins/test_descriptor.py::test_files_lack_the_prefix_that_the_operator_set",
        ),
        "`ZS_COMPRESSION=DEFLATE`": (VARIABLES, f"{DROP}::test_link_expires"),
        "`ZS_LISTFILE_URL_PREFIX`": (VARIABLES, CALLS),
        "scripts of any site may call it": (f"{DROP}::test_script_of_any_site_calls_zipstreamers_interface",),
        "the program as a library in Go": (
            "api/test_library_examples.py::test_an_example_answers_as_a_server_of_files_does",
        ),
    },
    "nginx with mod_zip": {
        "`proxy_pass http://app:8000` for the paths of lists": (LIST, PASSES),
        "the `location` that the list's locations are in, `proxy_pass` or `root`": (
            LIST,
            f"{DROP}::test_file_server_may_be_an_nginx_with_a_root_and_a_proxy_may_change_the_paths",
        ),
        "`1034ab38 428 /foo.txt name.txt`; `-` where no CRC-32 is known": (
            NGINX,
            f"{DROP}::test_file_that_is_not_as_listed_fails_the_archive",
        ),
        "`@directory`": (NGINX,),
        "`Range` with CRCs alone; with `-` it is ignored": (
            NGINX,
            f"{DROP}::test_range_is_answered_for_a_list_without_checksums",
        ),
        "HEAD of a list: the connection is closed": (LIST,),
        "a list that cannot be read, a file that is not there: the connection is closed": (
            f"{DROP}::test_list_that_cannot_be_read_is_refused_with_its_line",
            f"{DROP}::test_file_that_is_not_as_listed_fails_the_archive",
        ),
        "`X-Archive-Pass-Headers: A:B`": (
            f"{DROP}::test_clients_fields_go_to_the_files_where_the_upstream_says_so",
            "security/test_entry_headers.py::test_the_fields_can_be_read_nowhere",
        ),
        "`X-Archive-Charset`, `native`, `X-Archive-Name-Sep`": (
            f"{DROP}::test_names_are_read_in_the_character_set_that_the_upstream_says",
        ),
        "`Content-Disposition` of the application": (LIST,),
        "`Last-Modified`, `ETag` of the application": (ASKED,),
        "other header fields of the application, `Set-Cookie`": (ASKED, PASSES),
        '`proxy_set_header Range ""` against its resume trap': (LIST,),
        "`proxy_set_header X-Forwarded-For …`": (LIST, ASKED),
        "the file server checks the session": (
            ASKED,
            f"{DROP}::test_clients_fields_go_to_the_files_where_the_upstream_says_so",
        ),
        "RomM's lists": (NGINX, f"{DROP}::test_range_is_answered_for_a_list_without_checksums"),
        "a list of any length": (f"{DROP}::test_list_that_cannot_be_read_is_refused_with_its_line",),
        "POST and other methods": (PASSES,),
    },
    "Esri/zipstream": {
        "`--upstream http://localhost:3001`": (ESRI,),
        "`--upstream` with a path; `--strip-prefix /zip`": (
            f"{DROP}::test_file_server_may_be_an_nginx_with_a_root_and_a_proxy_may_change_the_paths",
        ),
        "`--header-value V`": (ESRI,),
        "`--listen 127.0.0.1:3000`": ("unit/cli/test_cli.py::test_serve_prefers_flags_when_the_environment_differs",),
        "`AWS_REGION`, `AWS_ACCESS_KEY_ID`, a profile, the machine's role": (
            ESRI,
            f"{OBJECT}::test_bucket_of_lists_alone_is_closed_to_clients",
            "unit/buckets/test_signing_aws.py::test_request_is_signed_with_what_the_operator_names",
        ),
        '`{"filename", "entries": [{"archive_name", "length", "crc", "source", "last_modified"}]}`': (
            ESRI,
            PROMISE,
            f"{OBJECT}::test_manifest_that_cannot_be_read_is_named",
        ),
        "`source`: `s3://bucket/key`, not percent-encoded": (ESRI,),
        "entries in the order of their names": (ESRI,),
        "`length` and `crc` are believed": (PROMISE,),
        "`Range`; an ETag of the manifest": (ESRI,),
        "HEAD and other methods: 405": (ESRI, PROMISE),
        "a manifest that cannot be read: 500": (f"{OBJECT}::test_manifest_that_cannot_be_read_is_named",),
        "the upstream gives no answer: 503": (f"{DROP}::test_upstream_that_does_not_answer_is_a_bad_gateway",),
        "an answer without `X-Zip-Stream` passes": (PROMISE, PASSES),
        "`Authorization`, `Cookie`, `User-Agent`, `Referer` go to the upstream": (ESRI, ASKED),
        "one request to S3 for each member and range": (
            f"{FLOW}::test_two_gets_at_once_make_one_upstream_pass",
            f"{OBJECT}::test_private_object_comes_in_parts_and_resumes",
        ),
    },
}
