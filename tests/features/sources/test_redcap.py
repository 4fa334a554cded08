import pytest

from features.errors import InputError
from features.sources.redcap import RedcapSource, read_redcap

DICTIONARY_HEADER = (
    "Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"
    '"Choices, Calculations, OR Slider Labels",Field Note,'
    "Text Validation Type OR Show Slider Number,Identifier?"
)
DICTIONARY = (
    DICTIONARY_HEADER
    + """
record_id,demographics,,text,Record ID,,,,y
name,demographics,,text,<b>Name</b>,,,,y
sex,demographics,,radio,Sex,"1, Male | 2, Female",,,
prior_hma,demographics,,yesno,Prior HMA,,,,
mutations,labs,,checkbox,Mutations,"1, TP53 | -9, Not tested",,,
hb,labs,,text,Hemoglobin,,,number,
hb_note,labs,,descriptive,Read this,,,,
response,response_form,,dropdown,Response,"0, None, stable | 1, CR",,,
response_date,response_form,,text,Date,,,date_ymd,
grade,adverse_events,,radio,Grade,"3, Grade 3 | 4, Grade 4",,,
"""
)
HOUSEKEEPING = "redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance"
RAW = f"""record_id,{HOUSEKEEPING},redcap_data_access_group,name,sex,prior_hma,\
demographics_complete,mutations___1,mutations____9,hb,labs_complete,response,response_date,grade
1,base_arm_1,,,wuhan,Li,1,0,2,1,0,85,2,,,
1,base_arm_1,adverse_events,1,wuhan,,,,,,,,,,,3
1,base_arm_1,adverse_events,2,wuhan,,,,,,,,,,,4
1,month_3_arm_1,,,wuhan,,,,,0,0,,0,1,2024-05-01,
2,base_arm_1,,,beijing,Wang,2,1,2,0,0,92,2,,,
2,month_3_arm_1,,,beijing,,,,,0,0,92,0,,,
"""


def read(folder, export=RAW, dictionary=DICTIONARY, **fields):
    (folder / "export.csv").write_text(export, encoding="utf-8")
    (folder / "dictionary.csv").write_text(dictionary, encoding="utf-8")
    fields.setdefault("repeats", {"adverse_events": "last"})
    source = RedcapSource(export="export.csv", dictionary="dictionary.csv", **fields)
    return read_redcap(source, folder)


def refused(folder, *args, **fields):
    with pytest.raises(InputError) as error:
        read(folder, *args, **fields)
    return error.value.problems


def cells(table, name):
    return [None if cell != cell else cell for cell in table[name]]


def test_one_row_a_patient(tmp_path):
    table = read(tmp_path)
    # Housekeeping, form status and the name, flagged as identifier, are gone; the record id stays.
    assert table.columns.tolist() == [
        "record_id", "sex", "prior_hma", "mutations___1", "mutations____9", "hb", "response",
        "response_date", "grade", "center",
    ]  # fmt: skip
    assert cells(table, "record_id") == ["1", "2"]
    assert cells(table, "center") == ["wuhan", "beijing"]
    assert cells(table, "sex") == ["1", "2"]
    # Given twice, the same: no conflict.
    assert cells(table, "hb") == ["85", "92"]
    # Checked at baseline; REDCap writes 0 for the event in which nobody ticked anything.
    assert cells(table, "mutations___1") == ["1", "0"]
    assert cells(table, "response") == ["1", None]
    assert cells(table, "grade") == ["4", None]
    assert set(map(str, table.dtypes)) == {"str"}


def test_the_first_instance(tmp_path):
    assert cells(read(tmp_path, repeats={"adverse_events": "first"}), "grade") == ["3", None]


def test_an_instance_is_ordered_as_a_number_and_kept_whole(tmp_path):
    export = (
        f"record_id,{HOUSEKEEPING},response,response_date\n"
        "1,e,response_form,10,,2024-10-01\n1,e,response_form,9,1,2024-09-01\n"
    )
    table = read(tmp_path, export, repeats={"response_form": "last"})
    # The tenth has no response: the ninth's is not put beside the tenth's date.
    assert cells(table, "response") == [None]
    assert cells(table, "response_date") == ["2024-10-01"]


def test_later_events_come_after_earlier_ones_whatever_the_instance(tmp_path):
    export = (
        f"record_id,{HOUSEKEEPING},grade\n1,base,adverse_events,2,3\n1,later,adverse_events,1,4\n"
    )
    assert cells(read(tmp_path, export), "grade") == ["4"]


def test_several_instances_need_a_rule(tmp_path):
    (problem,) = refused(tmp_path, repeats={})
    assert problem.what == "Patients have several instances of a repeating instrument or event"
    assert problem.where.startswith("adverse_events, ")
    assert problem.got == "1 patient(s)"
    assert "repeats: {adverse_events: first}" in problem.remedy


def test_a_repeating_event(tmp_path):
    export = f"record_id,{HOUSEKEEPING},hb\n1,visit,,1,80\n1,visit,,2,90\n"
    assert cells(read(tmp_path, export, repeats={"visit": "first"}), "hb") == ["80"]
    (problem,) = refused(tmp_path, export, repeats={})
    assert problem.where.startswith("visit, ")


def test_different_values_name_the_field_and_the_count(tmp_path):
    export = RAW.replace(",92,0,,,", ",70,0,,,")
    (problem,) = refused(tmp_path, export)
    assert problem.what == "A field has different values on several rows of a patient"
    assert problem.where.startswith("field hb, ")
    assert "1 patient(s), column hb, 2 row(s): " in problem.where
    assert problem.got == "92, 70"
    assert cells(read(tmp_path, export, events={"labs": "base_arm_1"}), "hb") == ["85", "92"]
    # Checkboxes, too, are those of that event.
    table = read(tmp_path, export, events={"labs": "month_3_arm_1"})
    assert cells(table, "hb") == [None, "70"]
    # Nobody filled the first patient's form of that event: its zeros are no answer.
    assert cells(table, "mutations___1") == [None, "0"]


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        ({"repeats": {"adverse_event": "last"}}, ["adverse_event"]),
        ({"events": {"lab": "base"}}, ["lab", "base"]),
    ],
)
def test_a_rule_for_what_is_not_there(tmp_path, fields, got):
    problems = refused(tmp_path, **fields)
    assert [problem.got for problem in problems] == got
    assert "did you mean" in problems[0].remedy


def test_codes_become_labels_when_asked(tmp_path):
    table = read(tmp_path, values="labels")
    assert cells(table, "sex") == ["Male", "Female"]
    assert cells(table, "prior_hma") == ["No", "Yes"]
    assert cells(table, "response") == ["CR", None]
    assert cells(table, "mutations___1") == ["1", "0"]


LABELLED = """Record ID,Event Name,Repeat Instrument,Repeat Instance,Data Access Group,Name,Sex,\
Prior HMA,Complete?,Mutations (choice=TP53),Mutations (choice=Not tested),Hemoglobin,Complete?,\
Response,Date,Complete?,Grade,Complete?
1,Base,,,Wuhan,Li,Male,No,Complete,Checked,Unchecked,85,Complete,,,,,
1,Base,Adverse events,1,Wuhan,,,,,,,,,,,,Grade 4,Complete
1,Month 3,,,Wuhan,,,,,Unchecked,Unchecked,,,"None, stable",2024-05-01,Complete,,
"""


def test_a_label_export_is_turned_back_to_names_and_codes(tmp_path):
    (row,) = read(tmp_path, LABELLED).to_dict("records")
    assert row == {
        "record_id": "1", "sex": "1", "prior_hma": "0", "mutations___1": "1",
        "mutations____9": "0", "hb": "85", "response": "0", "response_date": "2024-05-01",
        "grade": "4", "center": "Wuhan",
    }  # fmt: skip


def test_a_label_that_two_fields_share_is_found_only_when_both_are_exported(tmp_path):
    dictionary = DICTIONARY + "hb_date,labs,,text,Date,,,date_ymd,\n"
    (problem,) = refused(tmp_path, LABELLED, dictionary)
    assert problem.what == "A column of the export is not in the data dictionary"
    assert problem.got == "Date"
    assert "raw headers" in problem.remedy


def test_a_label_that_two_choices_share_cannot_be_turned_back(tmp_path):
    dictionary = DICTIONARY.replace("1, Male | 2, Female", "1, Male | 2, Female | 3, Male")
    (problem,) = refused(tmp_path, LABELLED, dictionary)
    assert problem.where.startswith("field sex, ")
    assert "export raw data" in problem.remedy


def test_a_value_outside_the_choices(tmp_path):
    (problem,) = refused(tmp_path, RAW.replace("Li,1,0", "Li,9,0"))
    assert problem.what == "A value is not among the choices of its field"
    assert (problem.got, problem.allowed) == ("9", "1, 2")
    assert cells(read(tmp_path, RAW.replace("Li,1,0", "Li,9,0"), missing_codes=["9"]), "sex") == [
        None, "2",
    ]  # fmt: skip


def test_a_missing_data_code_is_no_record_id(tmp_path):
    dictionary = DICTIONARY_HEADER + "\nid,a,,text,ID,,,,\nhb,a,,text,Hb,,,,\n"
    table = read(tmp_path, "id,hb\n9,85\n10,9\n", dictionary, repeats={}, missing_codes=["9"])
    assert cells(table, "id") == ["9", "10"]
    assert cells(table, "hb") == ["85", None]


def test_a_label_that_reads_like_another_fields_name(tmp_path):
    dictionary = DICTIONARY_HEADER + "\nid,a,,text,ID,,,,\nhb,a,,text,hb1,,,,\nx,a,,text,hb,,,,\n"
    assert read(tmp_path, "ID,hb1,hb\n1,85,90\n", dictionary, repeats={}).to_dict("records") == [
        {"id": "1", "hb": "85", "x": "90"}
    ]


def test_an_identifier_is_in_no_message(tmp_path):
    # Two names of one patient are no conflict, as the name is dropped first.
    assert "name" not in read(tmp_path, RAW.replace("month_3_arm_1,,,wuhan,,", "month_3_arm_1,,,"
                              "wuhan,Li Na,"))  # fmt: skip


def test_codes_and_labels_that_both_fit_must_be_told_apart(tmp_path):
    dictionary = DICTIONARY_HEADER + '\nid,a,,text,ID,,,,\nx,a,,radio,X,"0, 1 | 1, 0",,,\n'
    (problem,) = refused(tmp_path, "id,x\n7,1\n", dictionary, repeats={})
    assert problem.what == "The export may hold codes or labels"
    for labels, expected in ((True, "0"), (False, "1")):
        table = read(tmp_path, "id,x\n7,1\n", dictionary, repeats={}, labels=labels)
        assert cells(table, "x") == [expected]


def test_a_field_called_center_stays_what_it_is(tmp_path):
    dictionary = DICTIONARY_HEADER + "\nid,a,,text,ID,,,,\ncenter,a,,text,Center,,,,\n"
    export = "id,redcap_data_access_group,center\n1,wuhan,A\n"
    table = read(tmp_path, export, dictionary, repeats={})
    assert table.to_dict("records") == [{"id": "1", "center": "A", "data_access_group": "wuhan"}]


def test_the_dictionary_as_the_api_gives_it(tmp_path):
    dictionary = (
        "field_name,form_name,field_type,field_label,select_choices_or_calculations,identifier\n"
        "id,a,text,ID,,\nx,a,radio,X,\"1, A | 2, B\",\n"
    )  # fmt: skip
    assert cells(read(tmp_path, "id,x\n7,2\n", dictionary, repeats={}), "x") == ["2"]


@pytest.mark.parametrize(
    ("export", "dictionary", "what"),
    [
        ("sex\n1\n", DICTIONARY, "The export lacks the record id"),
        ("record_id,sex\n1,1\n,2\n", DICTIONARY, "Rows have no record id"),
        ("record_id,sexe\n1,1\n", DICTIONARY,
         "A column of the export is not in the data dictionary"),
        ("record_id,sex,sex\n1,1,2\n", DICTIONARY, "Two columns have the same name"),
        ("record_id,sex\n1,1\n", "a,b\n1,2\n", "Not a REDCap data dictionary"),
        ("record_id,sex\n1,1\n", DICTIONARY.replace("1, Male | 2, Female", "Male"),
         "The choices of a field cannot be read"),
        (f"record_id,{HOUSEKEEPING},grade\n1,e,adverse_events,one,3\n", DICTIONARY,
         "A repeat instance is not a number"),
    ],
)  # fmt: skip
def test_what_is_no_redcap_export(tmp_path, export, dictionary, what):
    (problem,) = refused(tmp_path, export, dictionary, repeats={})
    assert problem.what == what


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError) as error:
        read_redcap(RedcapSource(export="e.csv", dictionary="d.csv"), tmp_path)
    assert error.value.problems[0].what == "No such table"
    assert "REDCap" in error.value.problems[0].remedy


def test_the_order_of_the_rows_of_different_patients_changes_nothing(tmp_path):
    head, *rows = RAW.splitlines()
    swapped = "\n".join([head, *rows[4:], *rows[:4]])
    one, other = read(tmp_path).set_index("record_id"), read(tmp_path, swapped)
    assert other.set_index("record_id").loc[one.index].equals(one)


FORM = """record_id,age,demographics_complete,mut___1,mut___2,panel_complete
1,60,2,1,0,2
2,61,2,0,0,2
3,62,2,0,0,
4,63,2,0,0,0
5,64,2,0,1,0
6,65,2,0,0,1
"""
FORM_DICTIONARY = (
    DICTIONARY_HEADER
    + """
record_id,demographics,,text,Record,,,,
age,demographics,,text,Age,,,,
mut,panel,,checkbox,Mutations,"1, TP53 | 2, NPM1",,,
"""
)


def test_a_checkbox_of_an_unfilled_form_is_missing(tmp_path):
    table = read(tmp_path, FORM, FORM_DICTIONARY, repeats={})
    # Filled, filled with nothing found, never opened, opened and empty, ticked, not verified.
    assert cells(table, "mut___1") == ["1", "0", None, None, "0", "0"]


def test_the_status_of_a_form_under_labels(tmp_path):
    header = "Record,Age,Complete?,Mutations (choice=TP53),Mutations (choice=NPM1),Complete?\n"
    words = {"1": "Checked", "0": "Unchecked"}
    status = {"2": "Complete", "1": "Unverified", "0": "Incomplete", "": ""}
    rows = [line.split(",") for line in FORM.splitlines()[1:]]
    export = header + "".join(
        f"{r},{a},Complete,{words[x]},{words[y]},{status[z]}\n" for r, a, _, x, y, z in rows
    )
    table = read(tmp_path, export, FORM_DICTIONARY, repeats={})
    assert cells(table, "mut___1") == ["1", "0", None, None, "0", "0"]


def test_anything_else_on_the_form_says_that_it_was_filled(tmp_path):
    dictionary = FORM_DICTIONARY + "vaf,panel,,text,VAF,,,,\nsum,panel,,calc,Sum,,,,\n"
    export = "record_id,age,mut___1,mut___2,vaf,sum\n1,60,0,0,0.1,1\n2,61,0,0,,0\n"
    table = read(tmp_path, export, dictionary, repeats={})
    assert cells(table, "mut___1") == ["0", None]


def test_an_event_without_the_form_says_nothing_of_it(tmp_path):
    export = (
        "record_id,redcap_event_name,age,mut___1,mut___2,panel_complete\n"
        "1,base,60,0,0,2\n1,later,,0,0,\n2,base,61,0,0,\n2,later,,0,1,2\n3,base,62,0,0,\n"
    )
    table = read(tmp_path, export, FORM_DICTIONARY, repeats={})
    assert cells(table, "mut___1") == ["0", "0", None]
    assert cells(table, "mut___2") == ["0", "1", None]


def used_alone(tmp_path, export, *used):
    (tmp_path / "export.csv").write_text(export, encoding="utf-8")
    (tmp_path / "dictionary.csv").write_text(DICTIONARY, encoding="utf-8")
    source = RedcapSource(export="export.csv", dictionary="dictionary.csv")
    return read_redcap(source, tmp_path, used=used)


def test_fields_that_nobody_uses_need_no_rule(tmp_path):
    # Two instances of adverse events, two hemoglobins, and a sex that is no choice.
    export = RAW.replace(",92,0,,,", ",70,0,,,").replace("Wang,2,1", "Wang,7,1")
    table = used_alone(tmp_path, export, "prior_hma", "response")
    assert cells(table, "record_id") == ["1", "2"]
    assert cells(table, "prior_hma") == ["0", "1"]
    assert not {"grade", "hb", "sex"} & {c for c in table if table[c].notna().any()}


@pytest.mark.parametrize(
    ("used", "what"),
    [("grade", "Patients have several instances"), ("hb", "A field has different values"),
     ("sex", "A value is not among the choices")],
)  # fmt: skip
def test_fields_that_are_used_need_theirs(tmp_path, used, what):
    export = RAW.replace(",92,0,,,", ",70,0,,,").replace("Wang,2,1", "Wang,7,1")
    with pytest.raises(InputError, match=what):
        used_alone(tmp_path, export, used)


def test_the_labels_of_codes_stay_at_hand(tmp_path):
    table = read(tmp_path)
    assert table.attrs["choices"]["sex"] == {"1": "Male", "2": "Female"}
    assert "prior_hma" not in table.attrs["choices"]
    assert table.attrs["titles"]["hb"] == "Hemoglobin"
