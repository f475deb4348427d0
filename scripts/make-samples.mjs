// Writes the demo's sample documents into demo/public/documents/ from the texts below. `node scripts/make-samples.mjs`
// The Chinese sample is Markdown and stands there as it is. Node only.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeDocx } from './samples/docx-writer.mjs'
import { writePdf } from './samples/pdf-writer.mjs'
import { root } from './setup.mjs'

const heading = (/** @type {string} */ text) => ({ heading: text })
const text = (/** @type {string} */ words) => ({ text: words })
const list = (/** @type {string[]} */ ...entries) => ({ list: entries })

const handbook = {
  title: 'Harbour Library: staff handbook',
  footer: 'Harbour Library staff handbook',
  blocks: [
    {
      columns: 1,
      flow: [[{ title: 'Harbour Library', subtitle: 'Staff handbook for the front desk, third edition' }]],
    },
    {
      columns: 2,
      flow: [
        [
          heading('1 Welcome'),
          text(
            'Harbour Library stands in the old customs house on Pier Street. It serves the eleven villages around the bay and the crews of the ships that lie in the harbour, many of whom stay for a few days only.',
          ),
          text(
            'This handbook is for everyone who works at the front desk. Keep a printed copy in the top drawer: it is the first thing a new colleague is given.',
          ),
        ],
        [
          heading('2 Library cards'),
          text(
            'Anyone who lives, works or is moored in the bay can have a library card. It is free and valid for two years. A card for a ship is in the name of the vessel and ends on the day the vessel sails.',
          ),
          text(
            'A lost library card is replaced at the front desk for 4 euros. For children under twelve the first replacement is free.',
          ),
        ],
      ],
    },
    {
      columns: 1,
      flow: [
        [
          heading('3 Opening hours'),
          {
            widths: [31, 23, 23, 23],
            table: [
              ['Day', 'Reading room', 'Front desk', 'Harbour archive'],
              ['Monday', 'closed', 'closed', 'closed'],
              ['Tuesday to Thursday', '9:00 - 18:00', '9:30 - 17:30', '10:00 - 16:00'],
              ['Friday', '9:00 - 20:00', '9:30 - 19:30', '10:00 - 16:00'],
              ['Saturday', '10:00 - 15:00', '10:00 - 14:30', 'by appointment'],
              ['Sunday', '11:00 - 15:00', 'closed', 'closed'],
            ],
          },
          text(
            'The harbour archive is open on Saturday by appointment only; write the appointment into the green book at the desk. On storm days, when the harbour master hoists two black balls, the whole building closes one hour after the signal.',
          ),
        ],
      ],
    },
    { pageBreak: true },
    {
      columns: 1,
      flow: [
        [
          heading('4 Loans'),
          {
            widths: [30, 22, 22, 26],
            table: [
              ['Item', 'Loan period', 'Renewals', 'Late fee a day'],
              ['Books', '28 days', 'twice', '0.20 euros'],
              ['Magazines', '7 days', 'once', '0.10 euros'],
              ['Sea charts', '3 days', 'none', '1.50 euros'],
              ['Study laptops', '4 hours', 'none', '2.00 euros an hour'],
              ['Tool boxes', '5 days', 'once', '1.00 euro'],
            ],
          },
        ],
      ],
    },
    {
      columns: 2,
      flow: [
        [
          heading('5 Study laptops'),
          text(
            'A visitor can borrow a study laptop for four hours on one day, against a library card. The laptop stays in the building; there are twelve of them in the charging cabinet behind the desk.',
          ),
          text(
            'When a laptop comes back, check the lid and the charger, then restart it. A restart deletes everything that the visitor saved on it, so remind visitors to send their files to themselves first.',
          ),
          heading('6 Sea charts'),
          text(
            'Sea charts leave the building rolled, never folded, in one of the red tubes. Charts from before 1950 do not leave the building at all.',
          ),
        ],
        [
          heading('7 Late and lost items'),
          text(
            'Late fees stop at 12 euros for one item. After six weeks an item counts as lost, and the visitor pays its price as new or brings a copy in good condition.',
          ),
          text(
            'Nobody is refused a seat because of fees. Fees can be worked off: one hour of mending books with the Thursday group takes 8 euros off an account.',
          ),
          heading('8 Renewals by telephone'),
          text(
            'Visitors can renew by telephone until noon on the last day of the loan. Ask for the number on the card, not for the name.',
          ),
        ],
      ],
    },
    { pageBreak: true },
    {
      columns: 2,
      flow: [
        [
          heading('9 Quiet rooms'),
          text(
            'There are three quiet rooms on the second floor: Gull, Heron and Tern. Each seats four people and can be booked for two hours at a time, at most seven days ahead.',
          ),
          text('A room that is empty fifteen minutes after the booking begins is given to the next person who asks.'),
          heading('10 Children'),
          text(
            'Story time is on Saturday at 11:00 in the boat room. Children under eight need an adult in the building; the desk does not look after children, however charming.',
          ),
        ],
        [
          heading('11 When something goes wrong'),
          list(
            'Fire: leave by the quay door, meet at the bronze anchor, and call 112.',
            'Flood warning: move the bottom two shelves of the archive upstairs first.',
            'Power cut: the lending desk goes on with the paper slips in the blue box.',
            'A found wallet: two people count it together and sign the found book.',
          ),
          heading('12 Data about visitors'),
          text(
            'We keep a name, an address and the loans that are open. The history of what someone has read is deleted when an item comes back. Nobody outside the library is ever told what a visitor reads.',
          ),
        ],
      ],
    },
  ],
}

const briefing = {
  title: 'Lantern walk: briefing for volunteers',
  items: [
    { title: 'Lantern walk: briefing for volunteers' },
    text(
      'Thank you for helping. The lantern walk takes place on the second Saturday of November, from the boathouse along the river to the mill meadow. About six hundred people came last year.',
    ),
    heading('Before the walk'),
    text(
      'Volunteers meet at the boathouse at 16:15, forty-five minutes before the first group sets off. Bring warm clothes, a torch and a charged telephone. Tea and soup are in the boat hall.',
    ),
    {
      table: [
        ['Group', 'Sets off', 'Leader', 'Lantern colour'],
        ['Families with small children', '17:00', 'Imke', 'yellow'],
        ['Brass band and choir', '17:20', 'Tomas', 'white'],
        ['Everyone else', '17:40', 'Adaeze', 'red'],
      ],
    },
    heading('On the way'),
    list(
      'Only battery lanterns in the families group; candles are allowed in the other two groups.',
      'At the footbridge, let at most twenty people cross at a time.',
      'If a child is lost, stay where you are and call Adaeze on channel 3 of the radio.',
      'The first-aid tent is at the mill, next to the bicycle stand.',
    ),
    heading('When the weather turns'),
    text(
      'In rain the walk takes place. In wind above 60 kilometres an hour it is called off; the decision is made at 14:00 on the day and stands on the notice board and on the club page.',
    ),
    heading('Afterwards'),
    text(
      'Collect the lanterns of your group in the numbered crates and bring them to the boathouse by 20:30. Volunteers are invited to the mill for supper from 21:00.',
    ),
  ],
}

const folder = join(root, 'demo', 'public', 'documents')
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'harbour-library-handbook.pdf'), writePdf(handbook))
writeFileSync(join(folder, 'lantern-walk-briefing.docx'), writeDocx(briefing))
