"""The sentence for each reason: what happened and what to do next. Codes are shown for support, nothing else is."""

import logging
from typing import Any

from flask import Flask, g, jsonify, render_template, request
from sqlalchemy.exc import DataError, ProgrammingError
from werkzeug.exceptions import HTTPException

from lti_mentor.db import UNREACHABLE
from lti_mentor.errors import Invalid, MentorError
from lti_mentor.web import headers
from lti_mentor.web.language import _

log = logging.getLogger(__name__)

SENTENCES = {
    "error": "Something went wrong here, and nothing was saved. Try again in a moment.",
    "invalid": "Something in the form needs another look.",
    "not_found": "There is nothing at this address for you. Go back, or open the course in your learning platform.",
    "not_allowed": "You may not do this. Ask the coordinator of your program.",
    "too_many": "That was too often within a short time. Wait a minute and try again.",
    "refused": "This is not possible right now. Reload the page to see how things stand.",
    # visits and forms
    "visit.over": "Your visit is over. Open the course in your learning platform again to go on.",
    "visit.link_over": "Your visit is over. Make a new link with lti-mentor admin link to go on.",
    "visit.other_browser": "This address works only inside the course it was opened from. Open the course in your learning platform again.",
    "form.forged": "This form did not come from your visit, so nothing was saved. Open the course again and retry.",
    # launches
    "launch.refused": "The learning platform could not open this page. Go back to the course and try again.",
    "launch.too_many": "The tool was opened too often within a minute. Wait a minute, then open the link in the course again.",
    "launch.missing_parameter": "The learning platform left out %(name)s. Go back to the course and open the link again.",
    "launch.foreign_target": "The link leads to another tool. Ask whoever put it into the course to check its address.",
    "launch.unknown_platform": "This learning platform (%(issuer)s) is not registered here. Ask its administrator to register this tool.",
    "launch.ambiguous_platform": "Several registrations fit %(issuer)s. Ask the administrator to let the platform send its client id.",
    "launch.disabled_platform": "This learning platform is switched off here. Ask the administrator of the tool.",
    "launch.unknown_state": "This launch is not known here. Go back to the course and open the link again.",
    "launch.used_state": "This launch was used already. Go back to the course and open the link again.",
    "launch.expired_login": "Too much time passed since you chose the link. Go back to the course and open it again.",
    "launch.no_cookie": "Your browser did not keep the cookie of this launch. Open the link in a new window, or allow cookies for this site.",
    "launch.cookies_blocked": "Your browser keeps nothing for this site. Allow cookies for it, then go back to the course and open the link again.",
    "launch.other_browser": "This launch began in another browser. Go back to the course and open the link again.",
    "launch.bad_token": "The message of the learning platform cannot be read. Go back to the course and try again.",
    "launch.bad_signature": "The message of the learning platform is not signed with its key. Tell its administrator.",
    "launch.algorithm": "The learning platform signs in a way that is not accepted. It has to use RS256: tell its administrator.",
    "launch.no_key_id": "The learning platform does not say which key it signed with. Tell its administrator.",
    "launch.unknown_key": "The learning platform signed with a key it does not publish. Try again in a minute, then tell its administrator.",
    "launch.no_keys": "The keys of the learning platform cannot be fetched right now. Try again in a minute.",
    "launch.expired": "The message of the learning platform is out of date. Go back to the course and open the link again.",
    "launch.not_yet": "The message comes from the future: the clock of the learning platform is wrong. Tell its administrator.",
    "launch.too_old": "The message of the learning platform is too old. Go back to the course and open the link again.",
    "launch.missing_claim": "The learning platform left out %(name)s. Tell its administrator.",
    "launch.issuer": "The message comes from another learning platform than the launch. Go back to the course and try again.",
    "launch.audience": "The message was meant for another tool. Ask the administrator to check the client id.",
    "launch.foreign_audience": "The message is for another tool as well, which is not trusted here. Ask the administrator to allow that audience for this platform.",
    "launch.authorized_party": "The message was meant for another tool. Ask the administrator to check the client id.",
    "launch.nonce": "The message does not belong to this launch. Go back to the course and open the link again.",
    "launch.deployment": "This deployment of the tool is not registered here. Ask the administrator of the tool to add its deployment id, and to decide about those that wait.",
    "launch.pending_deployment": "This installation of the tool is new here and waits for approval. Ask the administrator of the tool to approve the deployment %(deployment_id)s, then open the link again.",
    "launch.refused_deployment": "This installation of the tool was refused here. If that was a mistake, ask the administrator of the tool to let its deployment in after all.",
    "launch.message_type": "The learning platform asked for something this tool does not do. Open it from a course link.",
    "launch.message": "The message of the learning platform is not complete. Tell its administrator.",
    "launch.bad_id": "The learning platform sent an id that is too long. Tell its administrator.",
    "launch.platform_error": "The learning platform stopped the launch and says “%(word)s”. Go back to the course and open the link again; if that does not help, tell its administrator this word.",
    "launch.login_required": "The learning platform does not see that you are signed in: it says “%(word)s”. Sign in to it in this browser, then choose the link again.",
    "launch.not_teacher": "Only somebody who may edit the course can place something in it.",
    "launch.not_administrator": "Only an administrator of the learning platform may ask for somebody’s data. Ask one to open this page there.",
    "launch.no_links_taken": "The learning platform takes no links at this place. Add the tool as an activity or an external link.",
    "launch.bad_parameter": "The learning platform sent a %(name)s that cannot be one. Tell its administrator.",
    "launch.pending_platform": "This learning platform is registered and waits for approval. Ask the administrator of the tool to approve it.",
    # deep linking
    "picker.unknown": "There is nothing to choose at this address. Begin again in the learning platform.",
    "picker.over": "Too much time passed. Begin again in the learning platform.",
    "picker.answered": "This was sent to the learning platform already. Begin again there.",
    "picker.one_only": "The learning platform takes one thing at a time. Choose one.",
    "picker.unknown_choice": "One of these cannot be placed any more. Choose again.",
    # data privacy
    "privacy.only_that": "This visit is for the data of one person alone. Open a course in your learning platform for everything else.",
    "privacy.nobody": "Nothing is kept here about this person. There is nothing more to do.",
    "privacy.confirm": "Tick the box before you erase.",
    # registration
    "invitation.limits": "An invitation has 1 to 100 uses and is good for 1 to 2160 hours.",
    "invitation.over": "This invitation is used up or too old. Ask the administrator of the tool for a new one.",
    "registration.too_many": "Registration was tried too often within an hour. Wait an hour, then start it in the learning platform again.",
    "invitation.unknown": "There is no such open invitation.",
    "registration.closed": "A registration needs an invitation. Ask the administrator of the tool for the address to paste.",
    "registration.address": "The learning platform did not give a usable address of its configuration. Start the registration there again.",
    "registration.incomplete": "The configuration of the learning platform has no usable %(name)s. Tell its administrator.",
    "registration.issuer": "The configuration does not come from the host of the issuer %(issuer)s, so nothing was registered.",
    "registration.endpoint": "The learning platform registers tools at another host than its own, so nothing was registered.",
    "registration.no_client": "The learning platform gave no client id. Nothing was registered: look there for what it says.",
    "registration.of_others": "This registration belongs to another organization here. Ask the administrator of the tool.",
    "registration.needs_approval": "The learning platform names other addresses or deployments, or another product, than before, and with this invitation that needs an approval, so nothing was changed here. Ask the administrator of the tool for an invitation without approval.",
    # platforms and rights
    "platform.unknown": "There is no such platform. See lti-mentor platform list.",
    "platform.shared": "Several organizations use this platform, so it is changed on the command line: lti-mentor platform approve, disable, set, remove, and lti-mentor deployment approve, refuse for its deployments.",
    "platform.shared_switches": "Several organizations use this platform, so what it needs is changed on the command line: lti-mentor platform set.",
    "platform.other_host": "Type the host of the platform as it stands above, so that the right one is removed.",
    "platform.address": "%(name)s has to be a web address such as https://lms.example.org.",
    "platform.frame_ancestor": "A frame ancestor is an origin such as https://lms.example.org, without a path.",
    "platform.address_of_keys": "The address of the keys has to be a web address such as https://lms.example.org/jwks.",
    "platform.keys_in_the_clear": "The address of the keys begins with http and the issuer with https: somebody on the way could put other keys there. Give an address that begins with https, or one on a network that the settings allow.",
    "platform.one_source_of_keys": "Give the address of the keys (jwks-uri) or a file with them, one of both.",
    "platform.leeway": "The leeway is between 0 and 300 seconds: more would let old messages in.",
    "platform.audience": "An audience is a text of 1 to 2000 characters without line breaks.",
    "platform.role": "A role is given as URI=teacher or URI=learner; one platform has at most 50 of them.",
    "key.private": "This is a private key, which nobody else may have. Take the public one of the learning platform.",
    "key.unreadable": "There is no RS256 public key here: give a PEM, a JWK or a JWK set.",
    "key.too_weak": "The key has to be an RSA key of at least 2048 bits.",
    "key.without_id": "Of several keys each needs an id (kid) of its own. Give one key, or a JWK set with ids.",
    "deployment.unknown": "There is no such deployment. See lti-mentor deployment list.",
    "deployment.whose": "All institutions use this platform with one client, so its deployments are let in or refused on the command line: lti-mentor deployment list, approve, refuse.",
    "deployment.several": "Another organization uses this platform too, so nobody knows whose a new deployment is. Let each in on its own: lti-mentor deployment list, approve.",
    "deployment.last": "This is the only deployment of the platform. Suspend the platform instead: you can let it in again here.",
    "deployment.decided": "This deployment is let in already. To give it to somebody else, refuse it first, on the page of the platform or with lti-mentor deployment refuse.",
    "platform.elsewhere": "This organization has another platform of the same issuer, whose keys or tokens are at another host, so each could sign in the people of the other. Give each an organization of its own, or suspend the other.",
    "platform.no_deployment": "The platform has no deployment yet, so the first one is taken in. Change this after its first launch.",
    "platform.deployment_refused": "The deployment %(deployment_id)s was refused here. If that was a mistake, let it in with lti-mentor deployment approve, then do this again.",
    "platform.deployment_taken": "The deployment %(deployment_id)s belongs to another organization already.",
    "platform.not_encrypted": "The address begins with http, so what is sent could be read on the way: it is not asked.",
    "platform.address_refused": "The address is private or not a web address, so it is not asked.",
    "platform.no_address": "The learning platform cannot be found right now.",
    "platform.no_answer": "The learning platform does not answer right now.",
    "platform.too_slow": "The learning platform takes too long. What it said is kept, and it is asked again later.",
    "grades.too_slow": "The learning platform takes long. The scores are told bit by bit.",
    "platform.bad_status": "The learning platform answered with an error.",
    "platform.not_json": "The learning platform answered with something that cannot be read.",
    "platform.no_token": "The learning platform gave no token. Check the client id there, that it reads the keys at BASE_URL/lti/jwks, and that the services are switched on for this tool.",
    "platform.no_scope": "The learning platform knows the tool and gives no token for this service. Ask its administrator to switch the service on for this tool.",
    "platform.scopes_refused": "The learning platform knows the tool and gives no token for: %(names)s. Ask its administrator to switch these services on for this tool.",
    "platform.no_usable_key": "There is no RS256 key with an id at that address. Check the key set address.",
    "platform.no_tool_key": "The tool has no key to sign with. Run lti-mentor keys rotate.",
    "grades.not_offered": "The learning platform offers no gradebook to this course. Open the tool from the course once more, then ask its administrator to allow grades.",
    "grades.no_such_column": "There is no such column in this course.",
    "grades.no_scope": "The learning platform does not allow this with its gradebook. Ask its administrator to allow the tool to manage columns and scores.",
    "grades.no_column": "The learning platform gave no usable address of the column.",
    "grades.column_gone": "The learning platform made the column and has it no more. It is tried again later; ask its administrator who deletes it.",
    "grades.column_refused": "The learning platform takes nobody’s score into this column. It is tried again later; ask its administrator whether the column is one of this tool and whether the course is open.",
    "grades.no_account": "The learning platform of this course does not know this person.",
    "grades.person_refused": "The learning platform took no score for this person, who may not be graded there.",
    "grades.conflict": "The learning platform has a later score of this person, so this one was not taken.",
    "platform.foreign_page": "The learning platform led to a page of another site, so nothing more was read.",
    "platform.bad_link": "The learning platform does not say readably where its next page is, so nothing more was read.",
    "platform.endless_pages": "The learning platform sends pages without an end, so nothing more was read.",
    "platform.no_members": "The learning platform answered without a list of people.",
    "platform.too_large": "The learning platform answered with too much.",
    # record stores outside
    "key.label": "A name has at most 100 characters in one line.",
    "key.scopes": "Choose at least one thing that the key may do.",
    "key.bound_define": "What others say of activities is not for a bound key: leave define out, or bind it to nothing.",
    "key.expires": "The last day lies in the past. Choose a later one, or none.",
    "key.unknown": "There is no such key. See the list of keys.",
    "retention.days": "Statements are kept for at least one day, and at most for 36500.",
    "retention.iri": "A verb or a profile is an IRI such as http://adlnet.gov/expapi/verbs/completed.",
    "retention.looked_at": "Somebody else looks at a rule just now. Reload the page in a few seconds.",
    "retention.unknown": "There is no such rule. It may be removed already: see the page “Retention” or lti-mentor lrs retention list.",
    "target.unknown": "There is no such record store. See lti-mentor lrs target list.",
    "target.label_taken": "There is a record store of this name already. Choose another name.",
    "target.label": "A name has 1 to 100 characters in one line.",
    "target.endpoint": "The endpoint is a web address such as https://lrs.example.org/xapi, without a password or a query in it.",
    "target.key": "The key is what the record store shows for clients, in one line and, with Basic, without a colon.",
    "target.secret": "The secret is what the record store shows for clients, in one line.",
    "target.version": "The version is 1.0.3 or 2.0.0.",
    "target.token_endpoint": "The token endpoint is a web address such as https://login.example.org/token.",
    "target.iri": "A filter is an IRI such as http://adlnet.gov/expapi/verbs/completed, one a line.",
    "target.no_lrs": "At this address is no record store: its about does not answer. Check the endpoint, then resume.",
    "target.other_version": "The record store does not speak the version that is set for it. Add it anew with another one.",
    "target.shut_out": "The record store does not let us in. Check there that the key is good and may write statements, then resume; where key or secret have changed, type the new ones.",
    "target.no_token": "The token endpoint gives no token. Check client id, secret and scope there, then resume; where id or secret have changed, type the new ones.",
    "target.address_refused": "The address is private or not a web address, so nothing is sent there. Put its network into LTI_MENTOR_ALLOWED_NETWORKS, then resume.",
    "target.not_encrypted": "The address begins with http and is on no network of yours, so key and statements could be read on the way: nothing is sent there. Remove it and add it anew with https, or put its network into LTI_MENTOR_ALLOWED_NETWORKS, then resume.",
    "target.refuses_all": "The record store refused ten statements in a row and took none, so nothing more is sent. Put right what its answer complains about, then resume and send again what it refused; to resume without that lets it refuse more.",
    "target.statement_too_new": "Not sent: this statement is of xAPI 2.0, and this record store gets 1.0.3. If it speaks 2.0.0, add it anew with that version and the day from which it is to get statements; if not, give this statement up.",
    "target.no_address": "The host of the record store cannot be found right now. It is tried again.",
    "target.no_answer": "The record store does not answer right now. It is tried again.",
    "target.bad_status": "The record store answers with an error. It is tried again.",
    "target.too_large": "The record store answers with too much. It is tried again.",
    "target.not_json": "The token endpoint answers with something that cannot be read. It is tried again.",
    "right.unknown": "There is no right called %(right)s. There are: %(known)s.",
    "right.own": "Nobody takes their own right to these pages away. Ask another administrator, or use lti-mentor revoke.",
    "right.lost": "You are no administrator any more.",
    "admin.not_administrator": "Only administrators see these pages. Ask one for the right, or use lti-mentor grant.",
    "admin.no_right": "%(person)s is no administrator. Give the right with lti-mentor grant first.",
    "admin.other_page": "The link came from another page, so it was not used. Open the address of the link yourself, in a window of its own.",
    "admin.link_over": "This link was used already or is too old. Make a new one with lti-mentor admin link.",
    "keys.one_is_coming": "A new key is published already and has not begun to sign. Wait for it, so that every platform knows it before the next.",
    "keys.shared": "Several organizations use this installation, so its keys are changed on the command line: lti-mentor keys rotate.",
    "log.many_people": "More than 200 people fit. Write more of the name.",
    "statements.nobody": "Nobody here is called so. Write a part of the name, or the whole pseudonym.",
    "statements.many_people": "More than one person fits. Write more of the name.",
    "statements.mentorship": "The id of a mentorship looks like 3f2a91bc-1c2d-4e5f-8a9b-0c1d2e3f4a5b. Follow the link below a statement to get one.",
    "export.no_records": "An export says who did what, so it needs the right to records. Ask the administrator for it.",
    "export.no_parquet": "Parquet needs DuckDB, which is not installed here. Ask the administrator to run pip install lti-mentor[parquet], or take CSV.",
    "export.no_file": "The file could not be made. Take JSON Lines or CSV instead, and tell the administrator: the disk may be full.",
    "export.too_many": "Other files are being made right now. Wait a minute and try again.",
    "export.no_format": "Choose CSV, JSON Lines or Parquet.",
    "export.no_column": "Choose at least one column, and at most 100.",
    "person.unknown": "There is no such person here.",
    "person.erased": "This person was erased.",
    # accounts
    "link.unknown_code": "This code is wrong, used or too old. Make a new one in the other platform.",
    "link.too_many": "That were too many codes within an hour. Wait an hour, then make a new code in the other platform.",
    "link.has_rights": "This account has rights here or coordinates a program, so a code cannot make it one with another. Ask an administrator to link your accounts.",
    "link.gone": "One of the accounts was erased or linked in the meantime. Open the tool from your course and look at your accounts.",
    "link.same_person": "Both are one person already. A code is typed in the other platform: open the tool from a course there.",
    "link.same_platform": "Both accounts are of the same learning platform. Ask its administrator to make them one there.",
    "link.each_others_mentor": "One of the accounts is the mentor of the other, so they cannot be one. Ask the administrator of the tool.",
    "link.two_mentors": "Both accounts have a mentor in the same program. Ask the coordinator to end one of the two, then make a new code.",
    "link.both_began": "Both accounts are on the way to the same certification, with ratings or evidence in each. They cannot be one: go on in one of them.",
    "link.cannot_be_one": "Both accounts have something that only one person can have. Ask the administrator of the tool.",
    # courses, certifications, programs
    "course.unknown": "This course is not known here.",
    "course.no_copy": "This course is no copy of another one that is known here.",
    "activity.unknown": "This activity is not in a course of the program. Go back to People and choose another.",
    "activity.no_list": "The learning platform gives no list of the people of this course, so it cannot say who can open an activity. Ask its administrator to allow Names and Roles for this tool.",
    "activity.not_found": "The learning platform does not know this activity any more: it may have been taken out of the course. If it is still there, open it once from the course and ask again.",
    "activity.not_answered": "The learning platform does not say who can open this activity: it does not answer this question at all, or does not know the activity any more. Choose among everybody.",
    "roster.not_let_in": "This learning platform is switched off here, or no longer let in, so nothing is read from it. Ask the administrator of the tool.",
    "roster.bit_by_bit": "The learning platform takes long. What it said is kept, and the rest is read without your doing anything.",
    "roster.error": "Something went wrong here while it was read. Ask again in a moment. If that does not help, tell the administrator of the tool.",
    "course.none": "Open this from a course in your learning platform.",
    "course.not_teacher": "Only a teacher of the course or a coordinator of its program may change its map.",
    "item.unknown": "This course item is not known here.",
    "item.known": "%(title)s is in the list already.",
    "item.same_domain": "This exam domain is chosen twice. Choose it once, with the weight it shall have.",
    "item.no_title": "Give the item a title.",
    "item.address_taken": "Another item of this course has this address already. Look at it in the learning platform again.",
    "item.in_goals": "Somebody measures a goal by one of the items you want to take out. Leave it, or give it its address.",
    "item.address": "Give the address (IRI) the learning platform uses for the item.",
    "certification.unknown": "This certification is not in the catalog.",
    "certification.retired": "This certification is not offered any more. Choose another one.",
    "domain.unknown": "This exam domain does not belong to the certification.",
    "program.unknown": "There is no such program for you.",
    "program.not_teacher": "Only a teacher of the course may start a program in it.",
    "program.not_coordinator": "Only a coordinator of the program may do this.",
    "program.no_name": "Give the program a name.",
    "program.name_taken": "There is a program with this name already. Choose another.",
    "program.ends_before_start": "The program has to end after it starts.",
    "program.started": "The program has started, so its start and its targets stay as they were fixed.",
    "program.floor": "This has to be at most the ready line.",
    "program.cadence": "Between 1 and 31 meetings a month.",
    "part.unknown": "There is no such part in a program.",
    "mentor.unknown": "This person is not a mentor in the program.",
    "mentor.capacity": "Say how many mentees, between 1 and 50.",
    "pair.same_person": "Nobody mentors themselves.",
    "pair.not_enrolled": "This learner is not enrolled in the program yet.",
    "pair.has_mentor": "This learner has a mentor already.",
    "pair.no_mentor": "This person is not a mentor in the program.",
    "pair.paused": "This mentor is taking a break. Choose another.",
    "pair.full": "This mentor has no free place left, with the others you chose here. Choose another, or raise the number on the page People.",
    "pair.nothing": "Choose a mentor for at least one learner.",
    "mentorship.unknown": "There is no such open mentorship of yours.",
    "mentorship.not_open": "There is no such open pair in this program.",
    "mentorship.not_yours": "Only the two of the mentorship may do this.",
    "mentorship.closed": "This mentorship is closed.",
    # fields
    "text.too_long": "This is too long.",
    "text.missing": "Write something here.",
    "number.missing": "Give a number, such as 12 or 2.5.",
    "number.range": "This number cannot be used. Give one such as 12 or 2.5.",
    "number.negative": "Not below 0.",
    "percent.range": "Between 0 and 100.",
    "date.missing": "Give a date.",
    "date.far": "This date is too far away. Check the year.",
    "time.missing": "Give a time, such as 14:30.",
    "meeting.same_time": "A meeting is planned for this time already.",
    "date.past": "This is in the past. Choose a later date.",
    "date.future": "This is in the future. Choose an earlier date.",
    "choice.missing": "Choose one.",
    "comment.missing": "Say why, so that the learner knows what to do.",
    "link.not_http": "Give a web address that begins with https://.",
    # pursuits, goals, evidence, meetings
    "pursuit.unknown": "There is no such certification on your way.",
    "pursuit.known": "You are on the way to this certification already.",
    "pursuit.state": "That does not fit where this certification stands now. Reload the page.",
    "pursuit.status": "Choose whether you are interested or studying.",
    "pursuit.expires_before_award": "It has to expire after it was awarded.",
    "rating.scale": "Choose one of the five steps.",
    "rating.missing": "Choose a rating before you accept.",
    "goal.unknown": "There is no such goal for you.",
    "goal.no_title": "Give the goal a title, so that you recognize it.",
    "goal.same_title": "You have an open goal with this title already. Open that one, or choose another title.",
    "goal.target_is_baseline": "The target has to differ from where you start.",
    "goal.visibility": "Choose who may see the goal.",
    "goal.link_weight": "A weight is between 1 and 100.",
    "goal.not_yours": "Only the person whose goal it is may change it.",
    "goal.not_mentor": "Only the mentor may do this, and only with a shared goal.",
    "goal.closed": "This goal is closed already.",
    "goal.stays_closed": "This goal stays as it is: your mentor has confirmed it, or it is open already.",
    "goal.not_waiting": "This goal does not wait for a confirmation.",
    "evidence.unknown": "There is no such evidence for you.",
    "evidence.empty": "Write what you did, or give a link.",
    "evidence.no_mentor": "You have no mentor yet, so nobody could look at it. Ask the coordinator for one.",
    "evidence.accepted": "This evidence is accepted already. Add a new piece instead.",
    "evidence.answered": "This evidence is answered already.",
    "evidence.changed": "The learner sent a new version meanwhile. Have a look at it first; your comment is kept.",
    "evidence.moved_on": "This answer cannot be taken back any more. Open the evidence to see how it stands.",
    "evidence.seen": "The learner has seen the answer, so it stays. Talk about it instead.",
    "evidence.not_mentor": "Only the learner's mentor may answer.",
    "meeting.unknown": "There is no such meeting of yours.",
    "meeting.minutes": "Between 5 and 480 minutes.",
    "meeting.not_yet": "This meeting has not begun yet.",
    "meeting.settled": "Somebody has said already how this meeting went.",
    "answer.unknown": "Choose one of the answers on the card.",
    "reminder.not_here": "There is nothing to remind this pair of.",
    "reminder.this_week": "This pair was reminded within the last seven days.",
    "insight.not_analyst": "Only analysts see these pages. Ask the administrator for the right.",
    "database.away": "The database does not answer at the moment. Nothing was saved: wait a minute and try again.",
    "database.not_ready": "The database is not prepared yet. Run lti-mentor db upgrade, then reload.",
}


# What fields are called where a summary speaks of them.
FIELDS = {
    "title": "Title",
    "unit": "What you count",
    "baseline": "Where you start",
    "target": "Target",
    "current": "Where you are now",
    "due_on": "Due date",
    "visibility": "Who may see it",
    "links": "What shows your progress",
    "name": "Name",
    "code": "Code",
    "starts_on": "Starts",
    "ends_on": "Ends",
    "meetings_per_month": "Meetings a month",
    "target_active": "Pairs active",
    "target_cadence": "Meetings held",
    "target_on_time": "Goals on time",
    "target_certified": "People certified",
    "mentor_weight": "The mentor’s share",
    "ready_line": "Ready at",
    "floor": "No domain below",
    "capacity": "Mentees a mentor takes",
    "activity_iri": "Address of the item",
    "certification": "Certification",
    "target_on": "When you want to have it",
    "exam_on": "Date of the exam",
    "outcome": "How it went",
    "expires_on": "Valid until",
    "text": "What you did",
    "link": "Link",
    "rating": "Rating",
    "comment": "Comment",
    "percent": "Your own number",
    "day": "Day",
    "time": "Time",
    "awarded_on": "Date of the certificate",
    "planned_at": "Day and time",
    "minutes": "Minutes",
    "since": "Stored since",
    "until": "Stored until",
    "uses": "How many platforms",
    "hours": "Hours",
    "host": "Host of the platform",
    "person": "Person",
    "right": "Right",
    "leeway_seconds": "Seconds its clock may differ",
    "jwks_uri": "Address of its keys",
    "pasted_keys": "Its public keys",
    "token_audience": "Audience of tokens",
    "trusted_audiences": "Trusted audiences",
    "role_map": "Roles",
    "frame_ancestors": "Pages around it",
    "adopting_id": "New deployments",
    "authorization_endpoint": "Address of its log-in",
    "token_endpoint": "Address of its tokens",
    "deployments": "Deployments",
    "granted_scopes": "What it lets the tool do",
    "family": "Product",
    "sends": "Before a score is final",
}


def field_name(name: str) -> str | None:
    """What a field is called, in the language of the request; none for one whose sentence says it all."""
    return _(FIELDS[name]) if name in FIELDS else None


def sentence(reason: str, **values: object) -> str:
    """The sentence for a reason, in the language of the request."""
    text = SENTENCES.get(reason, SENTENCES["error"])
    return _(text, **values) if "%(" in text else _(text)


def install(app: Flask) -> None:
    """Answer every error with a page."""
    app.register_error_handler(MentorError, _show)
    app.register_error_handler(HTTPException, _show_http)
    app.register_error_handler(DataError, _show_data)
    for kind in (*UNREACHABLE, ProgrammingError):
        app.register_error_handler(kind, _show_database)
    app.register_error_handler(Exception, _show_unexpected)
    app.jinja_env.globals.update(sentence=sentence, field_name=field_name)


def _show(error: MentorError) -> tuple[str, int, dict[str, str]]:
    message = sentence(error.reason, **error.values)
    problems = [sentence(reason) for reason in error.fields.values()] if isinstance(error, Invalid) else []
    return _page(error.status, error.reason, message, problems), error.status, headers.when_again(error)


_HTTP_REASONS = {400: "refused", 403: "not_allowed", 404: "not_found", 405: "not_found", 413: "text.too_long"}


def _show_http(error: HTTPException) -> Any:
    if error.code is None or error.code < 400:
        return error
    reason = _HTTP_REASONS.get(error.code, "error")
    if request.path.startswith("/api/"):  # an address that is none of the API, or not with this method
        return jsonify(error=reason, message=f"{error.name}. /api/openapi.json describes what is here."), error.code
    return _page(error.code, reason, sentence(reason), []), error.code


def _show_data(error: Exception) -> tuple[str, int]:
    """The database cannot keep what was sent, such as a NUL in a text."""
    log.warning("data refused", extra={"reason": "invalid"})
    return _page(422, "invalid", sentence("invalid"), []), 422


def _show_database(error: Exception) -> tuple[str, int]:
    log.exception("database error")
    is_unprepared = isinstance(error, ProgrammingError) or "no such table" in str(error)
    reason = "database.not_ready" if is_unprepared else "database.away"
    return _page(503, reason, sentence(reason), []), 503


def _show_unexpected(error: Exception) -> tuple[str, int]:
    log.exception("unexpected error")
    return _page(500, "error", sentence("error"), []), 500


def _page(status: int, reason: str, message: str, problems: list[str]) -> str:
    is_of_visit = request.path.startswith("/v/") and "framing_origins" in g
    typed = _typed() if is_of_visit and status != 413 else []
    if request.path.startswith(("/v/", "/lti/")):
        headers.let_anybody_frame()
    return render_template("error.html", status=status, reason=reason, message=message, problems=problems, typed=typed)


# Fields in which people write; what they chose is quickly chosen again.
WRITTEN = ("title", "unit", "text", "link", "comment", "name")


def _typed() -> list[str]:
    """What was written into the form of a visit, which was not looked at yet: a text of another page is never shown."""
    given = request.form.items() if headers.is_from_here() else ()
    return [value for name, value in given if value.strip() and (name in WRITTEN or name.startswith("comment"))]
