-- OMOP CDM v5.4: one row for every person who was ever given venetoclax.
--
-- What it gives
--   person_id               to find duplicates; dropped later
--   center                  care site of the person, if the CDM has one
--   sex                     M, F; empty for anything else
--   year_of_birth, month_of_birth, day_of_birth
--   index_date              start of the first venetoclax exposure
--   <drug>_before, <drug>_after
--                           nearest start of azacitidine, decitabine and cytarabine on or before,
--                           and on or after, the index date
--   death_date, last_observation_date
--                           end of the last observation period: last known alive
--   <lab>_date, <lab>_value, <lab>_unit
--                           last value on or before the index date, with the UCUM code of its unit
--
-- features/sources/omop.py turns this into age at the index date, 0/1 for each companion drug within 28
-- days of it, and labs at most 30 days old. The query itself only compares dates and never adds
-- days, which every database does differently: it runs as it stands on PostgreSQL and SQLite, and
-- uses nothing beyond common table expressions and ROW_NUMBER.
--
-- What it does not do
--   It does not select relapsed or refractory acute leukemia: sites record it differently. Add your
--   cohort table, or a condition_occurrence rule, to `venetoclax` below.
--   It does not know the dose: 'low-dose' cytarabine is cytarabine here. Check dose_unit, quantity
--   and sig at your site.
--   A person under observation only after the first exposure has an index date that is too late.
--
-- The tables are looked up where the connection looks first: on PostgreSQL put
-- ?options=-csearch_path%3Dcdm behind the URL when they stand in the schema cdm.

WITH venetoclax AS (
    -- Index date: the first venetoclax exposure (ingredient 35604205) in any product or strength.
    SELECT de.person_id, MIN(de.drug_exposure_start_date) AS index_date
    FROM drug_exposure de
    JOIN concept_ancestor ca ON ca.descendant_concept_id = de.drug_concept_id
    WHERE ca.ancestor_concept_id = 35604205
    GROUP BY de.person_id
),

companion AS (
    -- Ingredients: azacitidine 1314865, decitabine 19024728, cytarabine 1311078.
    SELECT
        v.person_id,
        MAX(CASE WHEN ca.ancestor_concept_id = 1314865
            AND de.drug_exposure_start_date <= v.index_date
            THEN de.drug_exposure_start_date END) AS azacitidine_before,
        MIN(CASE WHEN ca.ancestor_concept_id = 1314865
            AND de.drug_exposure_start_date >= v.index_date
            THEN de.drug_exposure_start_date END) AS azacitidine_after,
        MAX(CASE WHEN ca.ancestor_concept_id = 19024728
            AND de.drug_exposure_start_date <= v.index_date
            THEN de.drug_exposure_start_date END) AS decitabine_before,
        MIN(CASE WHEN ca.ancestor_concept_id = 19024728
            AND de.drug_exposure_start_date >= v.index_date
            THEN de.drug_exposure_start_date END) AS decitabine_after,
        MAX(CASE WHEN ca.ancestor_concept_id = 1311078
            AND de.drug_exposure_start_date <= v.index_date
            THEN de.drug_exposure_start_date END) AS cytarabine_before,
        MIN(CASE WHEN ca.ancestor_concept_id = 1311078
            AND de.drug_exposure_start_date >= v.index_date
            THEN de.drug_exposure_start_date END) AS cytarabine_after
    FROM venetoclax v
    JOIN drug_exposure de ON de.person_id = v.person_id
    JOIN concept_ancestor ca ON ca.descendant_concept_id = de.drug_concept_id
    WHERE ca.ancestor_concept_id IN (1314865, 19024728, 1311078)
    GROUP BY v.person_id
),

lab_code AS (
    -- LOINC codes of one analyte each; concept ids follow from the vocabulary.
    SELECT
        concept_id,
        CASE
            WHEN concept_code = '718-7' THEN 'hemoglobin'
            WHEN concept_code IN ('6690-2', '26464-8') THEN 'wbc'
            WHEN concept_code IN ('751-8', '26499-4') THEN 'neutrophils'
            WHEN concept_code IN ('777-3', '26515-7') THEN 'platelets'
            WHEN concept_code IN ('2160-0', '14682-9') THEN 'creatinine'
            WHEN concept_code IN ('1975-2', '14631-6') THEN 'bilirubin'
            WHEN concept_code = '1751-7' THEN 'albumin'
            WHEN concept_code = '2532-0' THEN 'ldh'
        END AS lab
    FROM concept
    WHERE vocabulary_id = 'LOINC'
        AND concept_code IN ('718-7', '6690-2', '26464-8', '751-8', '26499-4', '777-3', '26515-7',
            '2160-0', '14682-9', '1975-2', '14631-6', '1751-7', '2532-0')
),

lab_value AS (
    -- The last value on or before the index date; the higher measurement_id of the same day.
    SELECT
        m.person_id,
        lc.lab,
        m.measurement_date,
        m.value_as_number,
        unit.concept_code AS unit,
        ROW_NUMBER() OVER (
            PARTITION BY m.person_id, lc.lab
            ORDER BY m.measurement_date DESC, m.measurement_id DESC
        ) AS recency
    FROM venetoclax v
    JOIN measurement m ON m.person_id = v.person_id AND m.measurement_date <= v.index_date
    JOIN lab_code lc ON lc.concept_id = m.measurement_concept_id
    LEFT JOIN concept unit ON unit.concept_id = m.unit_concept_id AND unit.vocabulary_id = 'UCUM'
    WHERE m.value_as_number IS NOT NULL
),

lab AS (
    SELECT
        person_id,
        MAX(CASE WHEN lab = 'hemoglobin' THEN measurement_date END) AS hemoglobin_date,
        MAX(CASE WHEN lab = 'hemoglobin' THEN value_as_number END) AS hemoglobin_value,
        MAX(CASE WHEN lab = 'hemoglobin' THEN unit END) AS hemoglobin_unit,
        MAX(CASE WHEN lab = 'wbc' THEN measurement_date END) AS wbc_date,
        MAX(CASE WHEN lab = 'wbc' THEN value_as_number END) AS wbc_value,
        MAX(CASE WHEN lab = 'wbc' THEN unit END) AS wbc_unit,
        MAX(CASE WHEN lab = 'neutrophils' THEN measurement_date END) AS neutrophils_date,
        MAX(CASE WHEN lab = 'neutrophils' THEN value_as_number END) AS neutrophils_value,
        MAX(CASE WHEN lab = 'neutrophils' THEN unit END) AS neutrophils_unit,
        MAX(CASE WHEN lab = 'platelets' THEN measurement_date END) AS platelets_date,
        MAX(CASE WHEN lab = 'platelets' THEN value_as_number END) AS platelets_value,
        MAX(CASE WHEN lab = 'platelets' THEN unit END) AS platelets_unit,
        MAX(CASE WHEN lab = 'creatinine' THEN measurement_date END) AS creatinine_date,
        MAX(CASE WHEN lab = 'creatinine' THEN value_as_number END) AS creatinine_value,
        MAX(CASE WHEN lab = 'creatinine' THEN unit END) AS creatinine_unit,
        MAX(CASE WHEN lab = 'bilirubin' THEN measurement_date END) AS bilirubin_date,
        MAX(CASE WHEN lab = 'bilirubin' THEN value_as_number END) AS bilirubin_value,
        MAX(CASE WHEN lab = 'bilirubin' THEN unit END) AS bilirubin_unit,
        MAX(CASE WHEN lab = 'albumin' THEN measurement_date END) AS albumin_date,
        MAX(CASE WHEN lab = 'albumin' THEN value_as_number END) AS albumin_value,
        MAX(CASE WHEN lab = 'albumin' THEN unit END) AS albumin_unit,
        MAX(CASE WHEN lab = 'ldh' THEN measurement_date END) AS ldh_date,
        MAX(CASE WHEN lab = 'ldh' THEN value_as_number END) AS ldh_value,
        MAX(CASE WHEN lab = 'ldh' THEN unit END) AS ldh_unit
    FROM lab_value
    WHERE recency = 1
    GROUP BY person_id
),

dead AS (
    SELECT person_id, MIN(death_date) AS death_date FROM death GROUP BY person_id
),

seen AS (
    SELECT person_id, MAX(observation_period_end_date) AS last_observation_date
    FROM observation_period
    GROUP BY person_id
)

SELECT
    p.person_id,
    p.care_site_id AS center,
    CASE p.gender_concept_id WHEN 8507 THEN 'M' WHEN 8532 THEN 'F' END AS sex,
    p.year_of_birth,
    p.month_of_birth,
    p.day_of_birth,
    v.index_date,
    c.azacitidine_before,
    c.azacitidine_after,
    c.decitabine_before,
    c.decitabine_after,
    c.cytarabine_before,
    c.cytarabine_after,
    dead.death_date,
    seen.last_observation_date,
    lab.hemoglobin_date, lab.hemoglobin_value, lab.hemoglobin_unit,
    lab.wbc_date, lab.wbc_value, lab.wbc_unit,
    lab.neutrophils_date, lab.neutrophils_value, lab.neutrophils_unit,
    lab.platelets_date, lab.platelets_value, lab.platelets_unit,
    lab.creatinine_date, lab.creatinine_value, lab.creatinine_unit,
    lab.bilirubin_date, lab.bilirubin_value, lab.bilirubin_unit,
    lab.albumin_date, lab.albumin_value, lab.albumin_unit,
    lab.ldh_date, lab.ldh_value, lab.ldh_unit
FROM venetoclax v
JOIN person p ON p.person_id = v.person_id
LEFT JOIN companion c ON c.person_id = v.person_id
LEFT JOIN dead ON dead.person_id = v.person_id
LEFT JOIN seen ON seen.person_id = v.person_id
LEFT JOIN lab ON lab.person_id = v.person_id
ORDER BY p.person_id
